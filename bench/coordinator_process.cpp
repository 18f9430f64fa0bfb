#include "bench/coordinator_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "coordinator/client_calls.h"

namespace softmoe::bench {

using namespace std::chrono_literals;
using coordinator::ClientCalls;
using coordinator::Method;
using coordinator::Role;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

namespace {

constexpr auto kToServe = 20s;

/// A run that can be of any world.
constexpr const char* kConfig = R"(model:
  vocabulary: 300
  positions: 32
  layers: 2
  hidden: 32
  heads: 2
  kv_heads: 1
  experts: {num_experts: 8, inner: 32}
parallel: {expert_parallel: 1}
budget: {total: 4.0}
data: {corpus: corpus}
)";

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "softmoe-heartbeats-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder " + name);
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

CoordinatorProcess::CoordinatorProcess(const Options& options) {
  std::ofstream(folder_ / "config.yaml")
      << kConfig << fmt::format("training: {{lanes: {}}}\n", options.world);
  config_.folder = (folder_ / "coordinator").string();
  std::vector<std::string> words = {
      options.softmoe,
      "coordinator",
      "-c",
      (folder_ / "config.yaml").string(),
      "--expect-world",
      std::to_string(options.world),
      "coordinator.folder=" + config_.folder,
      fmt::format("coordinator.heartbeat_seconds={}", options.heartbeat_seconds)};
  words.insert(words.end(), options.overrides.begin(), options.overrides.end());
  start(words);
  wait_until_it_serves();
}

coordinator::Status CoordinatorProcess::status() const {
  ClientCalls calls(endpoint(Role::observer), std::nullopt);
  return calls.call<coordinator::Status>(Method::status, coordinator::StatusRequest{}, 10s);
}

Usage CoordinatorProcess::usage() const {
  const fs::path process = fs::path("/proc") / std::to_string(pid_);
  Usage usage;
  std::istringstream lines(text_of(process / "status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("VmRSS:")) usage.resident_kib = std::atof(line.c_str() + 6);
    if (line.starts_with("VmHWM:")) usage.peak_kib = std::atof(line.c_str() + 6);
  }
  // The name of the program stands in brackets and may hold blanks; behind it the third field
  // begins. The 14th and 15th are ticks in the program and in the system.
  const std::string stat = text_of(process / "stat");
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  usage.processor_seconds = (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return usage;
}

void CoordinatorProcess::start(std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const std::string log = (folder_ / "log").string();
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const int error =
      ::posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw std::runtime_error(fmt::format("'{}' cannot be started; name it by --softmoe", words[0]));
}

bool CoordinatorProcess::has_ended() {
  return pid_ <= 0 || ::waitpid(pid_, nullptr, WNOHANG) != 0;
}

void CoordinatorProcess::end() {
  if (has_ended()) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

void CoordinatorProcess::wait_until_it_serves() {
  const auto deadline = Clock::now() + kToServe;
  while (text_of(folder_ / "log").find("serving ") == std::string::npos) {
    if (has_ended()) {
      pid_ = -1;
      throw std::runtime_error("the coordinator ended:\n" + text_of(folder_ / "log"));
    }
    if (Clock::now() > deadline) {
      end();
      throw std::runtime_error("the coordinator does not begin to serve");
    }
    std::this_thread::sleep_for(10ms);
  }
}

}  // namespace softmoe::bench
