#include "launcher/submit/slurm_preflight.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "launcher/run/launch_environment.h"
#include "launcher/submit/child_program.h"
#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

constexpr std::chrono::seconds kPatience{30};

std::string names_of(const std::vector<Partition>& partitions) {
  std::vector<std::string> names;
  for (const Partition& partition : partitions) names.push_back(partition.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Partition parse_line(const std::string& line) {
  std::array<char, 256> name = {};
  std::array<char, 16> state = {};
  int allocated = 0;
  int idle = 0;
  const int found = std::sscanf(line.c_str(), "%255[^|]|%15[^|]|%d/%d/", name.data(), state.data(),
                                &allocated, &idle);
  if (found != 4) {
    throw StorageError(
        StorageError::Kind::bad_format,
        fmt::format("sinfo wrote '{}', where NAME|STATE|A/I/O/T was asked for", line));
  }
  Partition partition{.name = name.data(),
                      .is_up = std::string_view(state.data()) == "up",
                      .idle_nodes = idle,
                      .usable_nodes = allocated + idle};
  partition.is_default = partition.name.ends_with('*');
  if (partition.is_default) partition.name.pop_back();
  return partition;
}

/// The nearest folder above that is there.
std::filesystem::path existing_part(const std::filesystem::path& path) {
  std::filesystem::path part = std::filesystem::absolute(path);
  while (!std::filesystem::exists(part) && part != part.root_path()) part = part.parent_path();
  return part;
}

/// The first of an order's partitions: Slurm takes a list too.
std::vector<std::string> wanted(const std::string& names) {
  std::vector<std::string> all;
  std::istringstream text(names);
  for (std::string name; std::getline(text, name, ',');) all.push_back(name);
  return all;
}

void look_at_one(const SlurmJob& job, const Partition& partition, Findings& findings) {
  if (!partition.is_up) {
    findings.problems.push_back(
        fmt::format("partition {} is closed: jobs in it do not start; `sinfo` says which are up",
                    partition.name));
  } else if (partition.usable_nodes < job.nodes) {
    findings.problems.push_back(
        fmt::format("partition {} has {} nodes that work, the job wants {}: it would wait for ever",
                    partition.name, partition.usable_nodes, job.nodes));
  } else if (partition.idle_nodes < job.nodes) {
    findings.notes.push_back(
        fmt::format("{} of the {} nodes in partition {} are idle, the job wants {}: it will wait",
                    partition.idle_nodes, partition.usable_nodes, partition.name, job.nodes));
  }
}

}  // namespace

std::vector<std::string> sinfo_words() {
  return {"sinfo", "--noheader", "--format=%P|%a|%F"};
}

std::vector<Partition> parse_sinfo(std::string_view text) {
  std::vector<Partition> partitions;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    const Partition partition = parse_line(line);
    // A partition of several kinds of nodes can have several lines.
    const auto same =
        std::find_if(partitions.begin(), partitions.end(),
                     [&](const Partition& other) { return other.name == partition.name; });
    if (same == partitions.end()) {
      partitions.push_back(partition);
    } else {
      same->idle_nodes += partition.idle_nodes;
      same->usable_nodes += partition.usable_nodes;
    }
  }
  return partitions;
}

bool names_pmix(std::string_view text) {
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    while (word.ends_with(',')) word.pop_back();
    if (word == "pmix") return true;
  }
  return false;
}

void look_at_partition(const SlurmJob& job, const std::vector<Partition>& partitions,
                       Findings& findings) {
  if (job.partition.empty()) {
    const auto found =
        std::find_if(partitions.begin(), partitions.end(),
                     [](const Partition& partition) { return partition.is_default; });
    if (found != partitions.end()) return look_at_one(job, *found, findings);
    findings.problems.push_back(
        fmt::format("the cluster has no default partition: name one with --partition, of {}",
                    names_of(partitions)));
    return;
  }
  for (const std::string& name : wanted(job.partition)) {
    const auto found =
        std::find_if(partitions.begin(), partitions.end(),
                     [&](const Partition& partition) { return partition.name == name; });
    if (found != partitions.end()) {
      look_at_one(job, *found, findings);
    } else {
      findings.problems.push_back(fmt::format("there is no partition '{}' for you here, but {}",
                                              name, names_of(partitions)));
    }
  }
}

void look_at_launcher(const std::string& launcher, bool has_pmix, Findings& findings) {
  if (!launcher.empty() && launcher != "auto" && launcher != "srun" && launcher != "mpirun") {
    findings.problems.push_back(
        fmt::format("SOFTMOE_LAUNCHER is '{}': give auto, srun or mpirun", launcher));
  } else if (!has_pmix && launcher == "srun") {
    findings.problems.push_back(
        "SOFTMOE_LAUNCHER is srun, but `srun --mpi=list` does not name pmix, without which every "
        "rank would be alone: give auto or mpirun");
  } else if (!has_pmix && launcher != "mpirun") {
    findings.notes.push_back(
        "`srun --mpi=list` does not name pmix: the ranks will be started by mpirun");
  }
}

void look_at_files(const SlurmJob& job, const RunConfig& config, Findings& findings) {
  const auto need = [&](const std::string& path, int mode, const std::string& cure) {
    if (::access(path.c_str(), mode) != 0)
      findings.problems.push_back(
          fmt::format("cannot {} {}: {}", mode == X_OK ? "run" : "read", path, cure));
  };
  need(job.script, R_OK, "name the batch script with --template");
  // A bare name is searched on the nodes.
  const bool is_path = job.program.find('/') != std::string::npos;
  if (is_path && !job.is_wrapped)
    need(job.program, X_OK, "set SOFTMOE_PROGRAM in the site file to softmoe as the nodes see it");
  if (!config.data.corpus.empty()) {
    need(config.data.corpus + "/corpus.json", R_OK,
         "build it with `softmoe data build`, or set data.corpus");
  }
  const std::filesystem::path folder = existing_part(job.runs);
  if (!std::filesystem::is_directory(folder) || ::access(folder.c_str(), W_OK | X_OK) != 0) {
    findings.problems.push_back(
        fmt::format("{} cannot be made: {} does not let you write; say with --runs where runs go",
                    job.runs, folder.string()));
  }
}

Findings look_before(const SlurmJob& job, const SiteValues& site, const RunConfig& config) {
  Findings findings;
  look_at_files(job, config, findings);
  for (const char* program : {"sbatch", "sinfo", "srun"}) {
    if (find_program(program, lookup_environment)) continue;
    findings.problems.push_back(fmt::format(
        "there is no {} on the PATH: submit from a machine of the cluster, often called its login "
        "node",
        program));
    return findings;
  }
  const ProgramEnd sinfo = run_to_end(sinfo_words(), Deadline::in(kPatience));
  if (sinfo.code != 0) {
    findings.problems.push_back(fmt::format("the cluster does not answer, sinfo says: {}",
                                            trimmed(sinfo.errors + sinfo.output)));
    return findings;
  }
  look_at_partition(job, parse_sinfo(sinfo.output), findings);
  // Some versions list on standard error.
  const ProgramEnd mpi = run_to_end({"srun", "--mpi=list"}, Deadline::in(kPatience));
  look_at_launcher(site.get("SOFTMOE_LAUNCHER"), names_pmix(mpi.output + "\n" + mpi.errors),
                   findings);
  return findings;
}

}  // namespace softmoe::launcher
