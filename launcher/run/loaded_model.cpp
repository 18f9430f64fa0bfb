#include "launcher/run/loaded_model.h"

#include "launcher/run/together.h"

namespace softmoe::launcher {

namespace {

storage::Path model_path(storage::FileSystem& files, const std::string& path) {
  return files.is_directory(path) ? storage::Path(path) / "model.safetensors" : storage::Path(path);
}

}  // namespace

LoadedModel::LoadedModel(const ModelChoice& choice) {
  const LaunchEnvironment environment = read_environment(choice.expect_world, lookup_environment);
  const storage::Path path = model_path(files_, choice.path);
  info_ = training::read_model_info(files_, path);
  loaded_ = load_run_config(config::Source::text(info_.config_yaml, path.string()),
                            choice.overrides, environment.world());
  session_.emplace(environment, loaded_.value);
  model_.emplace(
      model::Transformer::Options{.config = loaded_.value.model,
                                  .ep = *session_->groups().ep,
                                  .total_mass = info_.routing.total_mass,
                                  .seed = loaded_.value.training.seed,
                                  .exchange_chunks = loaded_.value.parallel.exchange_chunks,
                                  .max_received_rows = loaded_.value.parallel.max_received_rows,
                                  .recompute = loaded_.value.training.recompute,
                                  .exact_gradients = exact_gradients(loaded_.value)},
      session_->device(), session_->work().compute);
  fail_after_root(*session_, [&] {
    training::load_model(
        {.model = *model_, .groups = session_->groups(), .files = files_, .work = session_->work()},
        path);
  });
}

}  // namespace softmoe::launcher
