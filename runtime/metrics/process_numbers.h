#pragma once

#include <optional>
#include <string_view>

namespace softmoe::metrics {

/// What /proc says of a process. A number that is not there, or is none, stays empty.
struct ProcessNumbers {
  std::optional<double> resident_bytes;
  std::optional<double> virtual_bytes;
  std::optional<double> cpu_seconds;         ///< user and system
  std::optional<double> start_time_seconds;  ///< Unix time
  std::optional<double> threads;
  std::optional<double> open_fds;
  std::optional<double> max_fds;  ///< soft limit; infinity: none
};

/// Texts of files in /proc, and the system's clock ticks.
struct ProcessFiles {
  std::string_view stat;         ///< /proc/self/stat
  std::string_view status;       ///< /proc/self/status
  std::string_view limits;       ///< /proc/self/limits
  std::string_view system_stat;  ///< /proc/stat
  double ticks_per_second = 100;
};

/// All but open_fds.
[[nodiscard]] ProcessNumbers parse_process(const ProcessFiles& files);

/// Those of this process, now.
[[nodiscard]] ProcessNumbers look_up_process();

}  // namespace softmoe::metrics
