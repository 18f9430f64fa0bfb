#pragma once

#include <cstdint>

namespace softmoe::launcher {

/// Turns signals into requests for the next control word.
///
/// The first SIGUSR1 (which mpirun and Slurm forward) or SIGINT asks for a drain: finish the step,
/// save, leave with code 75. The second leaves at once. SIGTERM is a drain only when this process
/// is alone: mpirun sends it to the survivors of a failure, who must not save.
class StopSignals {
 public:
  /// How this process was started.
  enum class Launch : std::uint8_t { alone, by_launcher };

  explicit StopSignals(Launch launch);

  /// Bits of budget::Request asked for so far.
  [[nodiscard]] std::uint32_t requests() const;
};

}  // namespace softmoe::launcher
