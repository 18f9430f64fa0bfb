#pragma once

// What can be known of a job before it is submitted: what the cluster says of itself, and whether
// what the job needs is there.

#include <string>
#include <string_view>
#include <vector>

#include "launcher/submit/slurm_job.h"

namespace softmoe::launcher {

/// A partition, as `sinfo` has it.
struct Partition {
  std::string name;
  bool is_default = false;
  bool is_up = false;
  int idle_nodes = 0;
  int usable_nodes = 0;  ///< allocated or idle
};

/// The words that make sinfo say what parse_sinfo() reads.
[[nodiscard]] std::vector<std::string> sinfo_words();
/// @throws StorageError bad_format, with the line, if it is none of those
[[nodiscard]] std::vector<Partition> parse_sinfo(std::string_view text);

/// Whether what `srun --mpi=list` writes names pmix.
[[nodiscard]] bool names_pmix(std::string_view text);

/// What was found. A problem stops the submission, a note does not.
struct Findings {
  std::vector<std::string> problems;
  std::vector<std::string> notes;
};

/// Whether the partition exists, is up and has the nodes.
void look_at_partition(const SlurmJob& job, const std::vector<Partition>& partitions,
                       Findings& findings);
/// Whether the ranks can be started the way the site wants.
/// @param launcher  SOFTMOE_LAUNCHER
void look_at_launcher(const std::string& launcher, bool has_pmix, Findings& findings);
/// Whether the files of the job are there, and the folder for runs can be written.
void look_at_files(const SlurmJob& job, const RunConfig& config, Findings& findings);

/// Everything above, asking the cluster that this machine belongs to.
[[nodiscard]] Findings look_before(const SlurmJob& job, const SiteValues& site,
                                   const RunConfig& config);

}  // namespace softmoe::launcher
