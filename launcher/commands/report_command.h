#pragma once

#include <string>

#include "launcher/run/exit_code.h"

namespace softmoe::launcher {

struct ReportOptions {
  std::string run;     ///< run folder
  std::string output;  ///< empty: report.html in it
};

/// Writes the page of a run and prints its path.
[[nodiscard]] ExitCode report_run(const ReportOptions& options);

}  // namespace softmoe::launcher
