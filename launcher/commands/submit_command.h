#pragma once

#include <string>

#include "launcher/run/exit_code.h"
#include "launcher/submit/slurm_job.h"

namespace softmoe::launcher {

/// `softmoe submit slurm`.
struct SubmitSlurmOptions {
  SlurmOrder order;
  std::string site;          ///< empty: site.env here, or beside the batch script
  std::string batch_script;  ///< empty: looked for above this program, and here
  bool is_dry_run = false;   ///< print what would be done
};

[[nodiscard]] ExitCode submit_to_slurm(const SubmitSlurmOptions& options);

}  // namespace softmoe::launcher
