#pragma once

// A run of ranks whose coordinator is a process of its own, and a second terminal.

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tests/integration/workplace.h"

namespace softmoe::test {

/// `softmoe coordinator` in a workplace, folder `coordinator/`, for a run by config.yaml.
class CoordinatorProcess {
 public:
  /// Starts it and waits until it serves.
  CoordinatorProcess(const Workplace& place, int world, const Words& overrides = {});

  /// kill -9, and gone.
  void kill();
  /// SIGTERM. @return how it ended
  [[nodiscard]] Ended end();
  /// Waits until it has printed `text`.
  [[nodiscard]] bool has_said(const std::string& text) { return program_->wait_for_output(text); }

 private:
  std::unique_ptr<RunningProgram> program_;
};

/// What makes ranks look for it.
[[nodiscard]] Words standalone();

/// `softmoe train` on so many ranks with the coordinator above, into the folder `run`.
[[nodiscard]] Command supervised_train(const Workplace& place, int ranks, const std::string& run,
                                       const Words& overrides = {});

/// `softmoe ctl VERB coordinator WORDS...`.
[[nodiscard]] Ended ctl(const Workplace& place, const std::string& verb, const Words& words = {});

/// The coordinator's status; nothing while it cannot be reached.
[[nodiscard]] std::optional<nlohmann::json> status_of(const Workplace& place);

/// Asks for the status until `is_wanted` is true for it. @return that status
/// Fails the test, and returns null, when it takes longer than 90 s.
[[nodiscard]] nlohmann::json wait_for_status(
    const Workplace& place, const std::function<bool(const nlohmann::json&)>& is_wanted);
/// Until rank 0 has reported `step`.
nlohmann::json wait_for_step(const Workplace& place, std::int64_t step);

/// The weights in a model file, without its metadata: which says where a run was.
[[nodiscard]] std::string weights_of(const std::filesystem::path& model);

}  // namespace softmoe::test
