#pragma once

// One training run of this rank, from configuration to the last line.

#include <memory>
#include <optional>

#include "budget/control_log.h"
#include "launcher/run/exit_code.h"
#include "launcher/run/monitoring.h"
#include "launcher/run/rank_session.h"
#include "launcher/run/stop_signals.h"
#include "launcher/run/supervision.h"
#include "launcher/run/token_data.h"
#include "runtime/storage/posix_file_system.h"
#include "training/evaluation.h"
#include "training/run_folder.h"
#include "training/telemetry.h"
#include "training/trainer.h"

namespace softmoe::launcher {

/// Builds everything, trains, evaluates, saves and reports. Collective: every rank makes the calls;
/// rank 0 writes and prints.
class TrainingRun {
 public:
  /// @param replay  of a logged run that is to be repeated; its coordinator is not asked again
  /// @throws ConfigError, StorageError, CommError before the first step if something is wrong
  TrainingRun(const config::Loaded<RunConfig>& loaded, const LaunchEnvironment& environment,
              std::optional<budget::ControlLog> replay = std::nullopt);

  /// @return done, or restart after a signal or when the coordinator asked for it
  /// @throws ConfigError on all ranks if a replayed step ran under another word than logged
  ExitCode run();

  /// Where this rank is; any thread may read it.
  [[nodiscard]] const Progress& progress() { return session_.work().progress; }

 private:
  [[nodiscard]] std::optional<training::RunFolder> open_folder();
  void announce();
  [[nodiscard]] bool train_until_stopped();
  void log(const training::StepResult& result);
  void check_replay();
  void evaluate_now(std::optional<std::int64_t> sequences);
  void save();
  void report();
  void print_results(const std::optional<std::string>& text);
  void print_layers(const training::Evaluation& evaluation) const;
  [[nodiscard]] std::optional<double> bigram_loss() const;
  [[nodiscard]] std::optional<std::string> sample();
  [[nodiscard]] bool is_root() const { return session_.is_root(); }

  const config::Loaded<RunConfig>& loaded_;
  const RunConfig& config_;
  RankSession session_;
  std::int64_t program_bytes_;  ///< before anything of the run is built
  StopSignals signals_;
  storage::PosixFileSystem files_;
  TokenData data_;
  model::Transformer model_;
  training::Evaluator evaluator_;
  Monitoring monitoring_;
  Supervision supervision_;
  std::optional<budget::ReplayLink> replay_;
  budget::LoggedLink link_;
  std::optional<training::Governor> governor_;  // on rank 0
  training::Trainer trainer_;
  std::optional<training::RunFolder> folder_;  // on rank 0
  training::RateContext rates_;
  budget::ControlWord last_word_;
  std::optional<training::Evaluation> last_evaluation_;
  double mean_seconds_ = 0;
};

}  // namespace softmoe::launcher
