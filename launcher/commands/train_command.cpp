#include <fmt/format.h>

#include "launcher/commands/command.h"
#include "launcher/run/training_run.h"
#include "runtime/config/describe.h"

namespace softmoe::launcher {

namespace {

/// A log of a million steps and a hundred changes is 200 MiB.
constexpr std::int64_t kMaxLogBytes = std::int64_t{1} << 30;

/// The configuration of the run to be repeated, unless another one is given. Its results go
/// elsewhere, and its coordinator, if it had one of its own, is left alone.
RunOptions replaying(const RunOptions& options) {
  RunOptions replay = options;
  if (replay.config_path.empty()) {
    replay.config_path = (storage::Path(options.replay) / "config.yaml").string();
  }
  replay.overrides.insert(replay.overrides.begin(), {"run.folder=", "coordinator.placement=off"});
  return replay;
}

}  // namespace

ExitCode train(const RunOptions& given) {
  const RunOptions options = given.replay.empty() ? given : replaying(given);
  const LaunchEnvironment environment = read_environment(options.expect_world, lookup_environment);
  const config::Loaded<RunConfig> loaded =
      load_run_config(options.config_path.empty() ? config::Source::none()
                                                  : config::Source::file(options.config_path),
                      options.overrides, environment.world());
  std::optional<budget::ControlLog> log;
  if (!options.replay.empty()) {
    storage::PosixFileSystem files;
    const storage::Path path = storage::Path(options.replay) / "control.jsonl";
    log = budget::parse_control_log(storage::read_text(files, path, kMaxLogBytes), path.string());
  }
  TrainingRun run(loaded, environment, std::move(log));
  return run.run();
}

ExitCode print_keys() {
  fmt::print("{}", config::describe<RunConfig>(config::TableFormat::markdown));
  return ExitCode::done;
}

}  // namespace softmoe::launcher
