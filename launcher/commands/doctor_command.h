#pragma once

// `softmoe doctor`: whether this machine and this shell are fit for a run.

#include <optional>
#include <string>

#include "launcher/run/exit_code.h"

namespace softmoe::launcher {

struct DoctorOptions {
  std::optional<int> expect_world;
  std::string folder = "runs";  ///< where results will go
  bool json = false;
};

/// @return done, or configuration if something would break a run
[[nodiscard]] ExitCode doctor(const DoctorOptions& options);

}  // namespace softmoe::launcher
