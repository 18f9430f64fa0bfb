#include "tests/slurm/slurm_cluster.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/patience.h"

namespace softmoe::test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto kLongestTest = 580s;
const char* const kScript = SOFTMOE_SOURCE_DIR "/tests/slurm/cluster.sh";
constexpr const char* kBash = "/bin/bash";

bool is_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

/// Open MPI between hosts that share one machine's processors, for root.
const std::map<std::string, std::string>& environment() {
  static const std::map<std::string, std::string> kEnvironment = {
      {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
      {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
      {"OMPI_MCA_pml", "ob1"},
      {"OMPI_MCA_btl", "self,vader,tcp"},
      {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
      {"OMPI_MCA_mpi_yield_when_idle", "1"},
      {"OMPI_MCA_hwloc_base_binding_policy", "none"}};
  return kEnvironment;
}

/// A file of /proc with its zeros as spaces; empty if the process is gone.
std::string read_process_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    names.insert(entry.path().filename().string());
  return names;
}

/// Devices and networks of this machine that have the names of cluster.sh's.
std::set<std::string> networks() {
  std::set<std::string> names = names_in("/sys/class/net");
  names.merge(names_in("/run/netns"));
  std::erase_if(names, [](const std::string& name) {
    return !name.starts_with("cluster") && !name.starts_with("to-") && !name.starts_with("node") &&
           name != "head";
  });
  return names;
}

}  // namespace

std::optional<std::string> why_no_cluster() {
  if (::geteuid() != 0) return "bringing up a Slurm needs root: run the tests as root";
  for (const char* program : {"slurmctld", "slurmd", "munged", "ip", "unshare", "setpriv"}) {
    if (!is_on_path(program) && !fs::exists(std::string("/usr/sbin/") + program)) {
      return fmt::format("no {} here: install slurm-wlm, munge, iproute2 and util-linux", program);
    }
  }
  return std::nullopt;
}

SlurmCluster::SlurmCluster() : networks_before_(networks()) {
  holder_ = std::make_unique<RunningProgram>(
      Command{.words = {kBash, kScript, "hold", folder_.path().string(), "4"},
              .directory = folder_.path()},
      kLongestTest);
  if (!holder_->wait_for_output("ready\n"))
    throw std::runtime_error("no cluster: " + holder_->wait().output);
}

Command SlurmCluster::command(const std::string& host, const Words& words,
                              const fs::path& directory) const {
  return {.words = Words{kBash, kScript, "on", folder_.path().string(), host} + words,
          .directory = directory,
          .environment = environment()};
}

Ended SlurmCluster::on(const std::string& host, const Words& words,
                       const fs::path& directory) const {
  return run_program(command(host, words, directory), 90s);
}

JobFields SlurmCluster::job(const std::string& id) const {
  const Ended shown = on("head", {"scontrol", "show", "job", id, "--oneliner"}, "/");
  EXPECT_EQ(shown.code, 0) << shown.output;
  JobFields fields;
  std::istringstream words(shown.output);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos) fields[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return fields;
}

JobFields SlurmCluster::wait_for_job(const std::string& id,
                                     const std::function<bool(const JobFields&)>& is_wanted) const {
  const auto deadline = std::chrono::steady_clock::now() + patience(150s);
  JobFields fields;
  while (std::chrono::steady_clock::now() < deadline) {
    fields = job(id);
    if (is_wanted(fields)) return fields;
    std::this_thread::sleep_for(100ms);
  }
  ADD_FAILURE() << "job " << id << " never was as wanted; the last: " << fields["JobState"] << " "
                << fields["Reason"] << " restarts " << fields["Restarts"];
  return fields;
}

JobFields SlurmCluster::wait_for_end(const std::string& id) const {
  return wait_for_job(id, [](const JobFields& job) {
    const std::string& state = job.at("JobState");
    return state == "COMPLETED" || state == "FAILED" || state == "CANCELLED" ||
           state == "TIMEOUT" || (state == "PENDING" && job.at("Restarts") != "0");
  });
}

std::vector<std::string> SlurmCluster::end() {
  holder_.reset();
  const std::string folder = folder_.path().string();
  // The kernel ends the processes after their first one.
  const auto deadline = std::chrono::steady_clock::now() + patience(10s);
  while (!processes_with(folder).empty() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(20ms);
  std::vector<std::string> left;
  for (const auto& [id, words] : processes_with(folder))
    left.push_back(fmt::format("process {}: {}", id, words));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(folder) != std::string::npos) left.push_back("mount: " + line);
  }
  for (const std::string& name : networks()) {
    if (!networks_before_.contains(name)) left.push_back("network: " + name);
  }
  return left;
}

std::map<int, std::string> processes_with(const std::string& text) {
  std::map<int, std::string> found;
  for (const std::string& name : names_in("/proc")) {
    int id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (error != std::errc() || end != name.data() + name.size() || id == ::getpid()) continue;
    const std::string words = read_process_file("/proc/" + name + "/cmdline");
    const bool has_it =
        words.find(text) != std::string::npos ||
        read_process_file("/proc/" + name + "/environ").find(text) != std::string::npos;
    if (has_it) found[id] = words;
  }
  return found;
}

}  // namespace softmoe::test
