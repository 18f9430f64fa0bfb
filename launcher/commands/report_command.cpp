#include "launcher/commands/report_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "launcher/run/run_config.h"
#include "model/flops.h"
#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"
#include "training/report/page.h"
#include "training/report/run_history.h"

namespace softmoe::launcher {

namespace {

/// What the configuration tells beside the run's own files. One of another version of the program
/// may not load; the page then goes without.
void take_configuration(const std::string& yaml, training::RunFacts& facts) {
  if (yaml.empty()) return;
  try {
    const RunConfig config =
        config::load<RunConfig>(config::Source::text(yaml, "config.yaml")).value;
    const model::ParameterCounts counts = model::count_parameters(config.model);
    facts.parameters = counts.total();
    facts.of_experts = counts.experts;
    facts.planned_steps = config.training.steps;
    facts.clip_norm = config.optimizer.clip_norm;
  } catch (const ConfigError&) {
    fmt::print(stderr,
               "softmoe: config.yaml does not load with this version; the report goes without the "
               "number of parameters\n");
  }
}

}  // namespace

ExitCode report_run(const ReportOptions& options) {
  storage::PosixFileSystem files;
  const training::RunHistory history = training::read_run_history(files, options.run);
  training::RunFacts facts{
      .name = options.run,
      .made_by = fmt::format("softmoe {}", SOFTMOE_VERSION),
      .made_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))};
  take_configuration(history.config_yaml, facts);
  const storage::Path output = options.output.empty() ? storage::Path(options.run) / "report.html"
                                                      : storage::Path(options.output);
  const std::string page = training::report_page(history, facts);
  storage::write_file(files, output, storage::bytes_of(page));
  if (history.num_steps == 0) {
    fmt::print("{} has no step yet: the report has no charts\n", options.run);
  }
  fmt::print("{}\n", output.string());
  return ExitCode::done;
}

}  // namespace softmoe::launcher
