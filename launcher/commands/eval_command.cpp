#include <fmt/format.h>

#include "launcher/commands/command.h"
#include "launcher/run/loaded_model.h"
#include "launcher/run/together.h"
#include "launcher/run/token_data.h"
#include "training/evaluation.h"

namespace softmoe::launcher {

ExitCode evaluate(const EvalOptions& options) {
  LoadedModel loaded({.path = options.model,
                      .overrides = options.overrides,
                      .expect_world = options.expect_world});
  const RunConfig& config = loaded.config();
  const TokenData data = together(loaded.session(), [&] {
    return open_token_data(loaded.files(), config.data, config.model.positions,
                           config.model.vocabulary);
  });
  training::Evaluator evaluator({.model = loaded.model(),
                                 .world = loaded.session().world(),
                                 .source = data.validation,
                                 .work = loaded.session().work(),
                                 .lane_sequences = config.training.lane_sequences,
                                 .seed = loaded.info().routing.seed});
  std::optional<std::int64_t> sequences;
  if (options.sequences > 0)
    sequences = std::min(options.sequences, data.validation.num_sequences());
  const training::Evaluation evaluation =
      evaluator.evaluate(loaded.info().routing.control(), sequences);
  if (!loaded.session().is_root()) return ExitCode::done;
  fmt::print("loss {:.6f} nats per token, perplexity {:.2f}, over {} tokens of {} sequences\n",
             evaluation.loss, evaluation.perplexity(), evaluation.tokens, evaluation.sequences);
  for (std::size_t layer = 0; layer < evaluation.soft_mass_L.size(); ++layer) {
    fmt::print("layer {:>3}  mean k {:.3f}  experts run per token {:.3f}\n", layer,
               evaluation.soft_mass_L[layer], evaluation.experts_per_token_L[layer]);
  }
  fmt::print("experts run per token over all layers {:.3f}\n", evaluation.experts_per_token());
  return ExitCode::done;
}

}  // namespace softmoe::launcher
