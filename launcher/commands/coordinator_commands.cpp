#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <optional>

#include "coordinator/certificates.h"
#include "launcher/commands/command.h"
#include "launcher/run/launch_environment.h"
#include "launcher/run/run_plan.h"
#include "launcher/run/standalone_coordinator.h"

namespace softmoe::launcher {

namespace {

/// SIGINT and SIGTERM, held back from every thread that is started later, until somebody waits.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// @return which one came; nothing if none did for a second
  [[nodiscard]] std::optional<int> wait_a_second() const {
    const timespec second = {.tv_sec = 1, .tv_nsec = 0};
    const int number = sigtimedwait(&set_, nullptr, &second);
    return number > 0 ? std::optional(number) : std::nullopt;
  }

 private:
  sigset_t set_ = {};
};

/// Every rank has a connection, and the usual limit of a shell is 1,024 files.
void allow_many_connections() {
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

int world_of(const CoordinatorOptions& options) {
  const LaunchEnvironment environment = read_environment(options.expect_world, lookup_environment);
  if (!environment.expected) {
    throw ConfigError(
        "the coordinator has to know how many ranks the run has: add --expect-world N");
  }
  return environment.world();
}

config::Loaded<RunConfig> load(const CoordinatorOptions& options, int world) {
  config::Loaded<RunConfig> loaded =
      load_run_config(options.config_path.empty() ? config::Source::none()
                                                  : config::Source::file(options.config_path),
                      options.overrides, world);
  // Below, gRPC drops idle connections, and heartbeats spend their time on new ones.
  constexpr std::int64_t kBytesPerRank = 16 << 10;
  if (loaded.value.coordinator.memory_bytes < kBytesPerRank * world) {
    throw ConfigError(fmt::format(
        "coordinator.memory_bytes = {} is too little for the connections of {} ranks: give at "
        "least {}",
        loaded.value.coordinator.memory_bytes, world, kBytesPerRank * world));
  }
  if (loaded.value.coordinator.folder.empty()) {
    throw ConfigError(
        "the coordinator needs a folder for its journal, its tokens and its address: set "
        "coordinator.folder");
  }
  return loaded;
}

}  // namespace

ExitCode run_coordinator(const CoordinatorOptions& options) {
  const EndSignals signals;
  allow_many_connections();
  const int world = world_of(options);
  const config::Loaded<RunConfig> loaded = load(options, world);
  const coordinator::CoordinatorConfig& config = loaded.value.coordinator;

  StandaloneCoordinator coordinator(config, plan_of(loaded, world), say);
  say(coordinator.describe());
  if (!coordinator.warning().empty()) say("WARNING: " + coordinator.warning());
  std::optional<int> number;
  while (!(number = signals.wait_a_second())) coordinator.keep_targets();
  say(fmt::format("ended by signal {}; the run goes on without", *number));
  return ExitCode::done;
}

ExitCode make_certificates(const CertificateOptions& options) {
  coordinator::make_certificates(options.folder, {.run_id = options.run_id,
                                                  .world = options.world,
                                                  .hosts = options.hosts,
                                                  .days = options.days});
  say(fmt::format(
      "{0}: ca.pem for everybody; coordinator.pem and .key; rank-0 to rank-{1}, observer and "
      "admin, each .pem and .key. They hold for {2} days; keep ca.key away from the cluster.",
      options.folder, options.world - 1, options.days));
  return ExitCode::done;
}

}  // namespace softmoe::launcher
