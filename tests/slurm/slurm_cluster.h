#pragma once

// A Slurm of four nodes on this machine (cluster.sh), and jobs in it.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/workplace.h"

namespace softmoe::test {

/// Why a cluster cannot be brought up here, with the cure; nothing if it can.
[[nodiscard]] std::optional<std::string> why_no_cluster();

/// What `scontrol show job` says of one: JobState, Restarts, ExitCode, ...
using JobFields = std::map<std::string, std::string>;

/// Hosts head, node1 to node4, each with four processors and two GPUs that are none; partitions
/// train (the default), urgent (which preempts it) and closed. It lives as long as this object, or
/// until the test ends in whatever way.
class SlurmCluster {
 public:
  /// @throws std::runtime_error, with its logs, if it does not come up.
  SlurmCluster();

  /// Runs a program as on that host, in that folder.
  [[nodiscard]] Ended on(const std::string& host, const Words& words,
                         const std::filesystem::path& directory) const;
  [[nodiscard]] Command command(const std::string& host, const Words& words,
                                const std::filesystem::path& directory) const;

  [[nodiscard]] JobFields job(const std::string& id) const;
  /// Asks for the job until `is_wanted` is true for it. @return its fields then.
  /// Fails the test when that takes longer than 150 s.
  JobFields wait_for_job(const std::string& id,
                         const std::function<bool(const JobFields&)>& is_wanted) const;
  /// Until it has ended for good, or waits to be run again.
  JobFields wait_for_end(const std::string& id) const;

  /// Ends it, and lists what is left of it then: processes, mounts, networks. To be empty.
  [[nodiscard]] std::vector<std::string> end();

 private:
  TemporaryDirectory folder_;
  std::set<std::string> networks_before_;
  std::unique_ptr<RunningProgram> holder_;
};

/// Processes of this machine, in all of its namespaces, whose words or environment have `text`.
[[nodiscard]] std::map<int, std::string> processes_with(const std::string& text);

}  // namespace softmoe::test
