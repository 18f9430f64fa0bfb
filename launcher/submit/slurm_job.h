#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/run/run_config.h"
#include "launcher/submit/site_file.h"

namespace softmoe::launcher {

/// What the command line asks for; what it leaves open the site decides.
struct SlurmOrder {
  std::string config_path;
  std::vector<std::string> overrides;
  int nodes = 1;
  std::optional<int> ranks_per_node;
  std::optional<int> cpus_per_rank;
  std::optional<int> gpus_per_node;
  std::optional<std::string> time;
  std::optional<std::string> partition;
  std::optional<std::string> name;
  std::optional<std::string> runs;
  std::string script;   ///< train.sbatch
  std::string program;  ///< this program
};

/// A job as it will be handed to sbatch. Empty texts and zeros are left to Slurm.
struct SlurmJob {
  std::string name;
  int nodes = 1;
  int ranks_per_node = 1;
  int cpus_per_rank = 1;
  int gpus_per_node = 0;
  int save_seconds = 120;  ///< before the time limit
  std::string time;
  std::string partition;
  std::string account;
  std::string qos;
  std::vector<std::string> more_flags;
  std::string script;
  std::string site;  ///< empty: none
  std::string program;
  bool is_wrapped = false;  ///< the program is in a container, where it cannot be looked for
  std::string runs;
  std::string config_path;
  std::vector<std::string> overrides;

  [[nodiscard]] int world() const { return nodes * ranks_per_node; }
};

/// Brings order and site together. The ranks of a node are one for each GPU unless something else
/// is said; the processors of a rank are those of cpus_for().
/// @throws ConfigError if a number makes no sense, the name cannot be a folder's, or an override is
///         the job's to set
[[nodiscard]] SlurmJob resolve(const SlurmOrder& order, const SiteValues& site);

/// The name of a configuration's run becomes the job's, which is a run of its own otherwise.
void keep_run_id(const RunConfig& config, SlurmJob& job);

/// The configuration under which the job will run, checked for its number of ranks.
/// @throws ConfigError with every mistake at its place
[[nodiscard]] config::Loaded<RunConfig> load_for(const SlurmJob& job);

/// Processors of a rank: as many as it has threads, unless the order says more.
/// @throws ConfigError if the order says fewer
[[nodiscard]] int cpus_for(const SlurmOrder& order, const RunConfig& config);

/// `sbatch` and its words.
[[nodiscard]] std::vector<std::string> sbatch_words(const SlurmJob& job);

/// For people: where its output will be, how to watch and how to end it.
[[nodiscard]] std::string submitted_text(const SlurmJob& job, const std::string& job_id);

}  // namespace softmoe::launcher
