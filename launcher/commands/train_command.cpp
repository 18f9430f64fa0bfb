#include <fmt/format.h>

#include "launcher/commands/command.h"
#include "launcher/run/training_run.h"
#include "runtime/config/describe.h"

namespace softmoe::launcher {

ExitCode train(const RunOptions& options) {
  const LaunchEnvironment environment = read_environment(options.expect_world, lookup_environment);
  const config::Loaded<RunConfig> loaded =
      load_run_config(options.config_path.empty() ? config::Source::none()
                                                  : config::Source::file(options.config_path),
                      options.overrides, environment.world());
  TrainingRun run(loaded, environment);
  return run.run();
}

ExitCode print_keys() {
  fmt::print("{}", config::describe<RunConfig>(config::TableFormat::markdown));
  return ExitCode::done;
}

}  // namespace softmoe::launcher
