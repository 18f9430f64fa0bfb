#include "launcher/doctor/machine_checks.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "launcher/plan/fitting.h"

namespace softmoe::launcher {

namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;

std::string text(std::int64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

std::string limit_text(const std::optional<std::int64_t>& bytes) {
  return bytes ? text(*bytes) : "unlimited";
}

}  // namespace

Finding check_shared_memory(const SharedMemoryFacts& facts) {
  if (!facts.is_there) {
    return {Verdict::fail, "/dev/shm", "is not there: ranks of one node cannot share memory",
            "mount a tmpfs at /dev/shm"};
  }
  const std::string found = fmt::format("{} free of {}", text(facts.free), text(facts.size));
  constexpr std::int64_t kEnough = 256 * kMiB;
  if (facts.free >= kEnough) return {Verdict::ok, "/dev/shm", found, ""};
  return {facts.free < 8 * kMiB ? Verdict::fail : Verdict::warn, "/dev/shm", found,
          "give 1 GiB: --shm-size=1g of a container, an emptyDir of medium Memory at /dev/shm of a "
          "pod; or remove what crashed jobs left there"};
}

Findings check_limits(const LimitFacts& facts) {
  Findings findings;
  const bool is_locked_fine =
      !facts.registers_memory || !facts.locked_memory || *facts.locked_memory >= 64 * kMiB;
  findings.push_back({is_locked_fine ? Verdict::ok : Verdict::warn, "locked memory",
                      limit_text(facts.locked_memory),
                      is_locked_fine ? "" : "ulimit -l unlimited: GPU and InfiniBand lock memory"});
  const bool are_files_fine = !facts.open_files || *facts.open_files >= 1024;
  findings.push_back(
      {are_files_fine ? Verdict::ok : Verdict::warn, "open files",
       facts.open_files ? fmt::format("{}", *facts.open_files) : "unlimited",
       are_files_fine ? "" : "ulimit -n 4096: a rank holds a connection to each of its peers"});
  const bool is_stack_fine = !facts.stack || *facts.stack >= kMiB;
  findings.push_back({is_stack_fine ? Verdict::ok : Verdict::fail, "stack", limit_text(facts.stack),
                      is_stack_fine ? "" : "ulimit -s 8192"});
  return findings;
}

Finding check_cores(const CoreFacts& facts) {
  std::string found = fmt::format("{} usable of {}", facts.usable, facts.machine);
  if (facts.quota)
    found += fmt::format(", at most {:.1f} at a time by the control group", *facts.quota);
  if (facts.quota && *facts.quota < facts.usable) {
    return {Verdict::warn, "cores", found,
            fmt::format("plan runtime.threads times the ranks of this machine for {:.0f}, or raise "
                        "the limit: threads beyond it are stopped in turn",
                        std::max(1.0, *facts.quota))};
  }
  if (facts.usable == 1 && facts.machine > 1) {
    // What mpirun does by itself.
    found += ": bound to one, enough for runtime.threads=1; more want mpirun --bind-to none";
  }
  return {Verdict::ok, "cores", found, ""};
}

Finding check_thread_variables(const EnvironmentFacts& environment) {
  constexpr std::array<const char*, 5> kNames = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                                 "OMP_WAIT_POLICY", "OPENBLAS_CORETYPE",
                                                 "SOFTMOE_GEMM"};
  std::vector<std::string> seen;
  for (const char* name : kNames) {
    const auto found = environment.find(name);
    if (found != environment.end()) seen.push_back(fmt::format("{}={}", name, found->second));
  }
  for (const char* name : {"OPENBLAS_CORETYPE", "SOFTMOE_GEMM"}) {
    if (!environment.contains(name)) continue;
    return {Verdict::warn, "thread variables", fmt::format("{}", fmt::join(seen, " ")),
            fmt::format("unset {}, unless you chose those kernels: results differ between ranks "
                        "whose kernels differ",
                        name)};
  }
  return {Verdict::ok, "thread variables",
          seen.empty() ? "none is set; threads of a rank are runtime.threads"
                       : fmt::format("{}; not read: threads of a rank are runtime.threads",
                                     fmt::join(seen, " ")),
          ""};
}

Finding check_memory(const MemoryFacts& facts) {
  const std::int64_t usable =
      facts.group_limit ? std::min(facts.available, *facts.group_limit) : facts.available;
  std::string found = fmt::format("{} available of {}", text(facts.available), text(facts.total));
  if (facts.group_limit)
    found += fmt::format(", {} allowed by the control group", text(*facts.group_limit));
  if (usable >= kGiB) return {Verdict::ok, "memory", found, ""};
  return {usable < 128 * kMiB ? Verdict::fail : Verdict::warn, "memory", found,
          "see what a run takes: softmoe plan --memory-per-rank; end other programs, or raise the "
          "limit"};
}

Findings check_network(const NetworkFacts& facts) {
  Findings findings;
  if (facts.loopback_fault.empty()) {
    findings.push_back({Verdict::ok, "loopback", "a port of 127.0.0.1 can be bound", ""});
  } else {
    findings.push_back({Verdict::fail, "loopback",
                        fmt::format("no port of 127.0.0.1 can be bound: {}", facts.loopback_fault),
                        "bring the interface lo up (ip link set lo up), or look at the sandbox's "
                        "rules: the embedded coordinator and the metrics listen there"});
  }
  if (!facts.address.empty()) {
    findings.push_back(
        {Verdict::ok, "host name", fmt::format("{} is {}", facts.host, facts.address), ""});
  } else {
    findings.push_back({Verdict::warn, "host name", fmt::format("{} does not resolve", facts.host),
                        "add it to /etc/hosts or to DNS: mpirun and a coordinator that listens for "
                        "other hosts need it"});
  }
  return findings;
}

Finding check_clock(const ClockFacts& facts, std::chrono::system_clock::time_point built) {
  const std::string now = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                      fmt::gmtime(std::chrono::system_clock::to_time_t(facts.now)));
  constexpr std::chrono::hours kZones{48};  // the time of the build is a local one
  if (facts.now + kZones < built) {
    return {Verdict::fail, "clock", fmt::format("{}, before this program was built", now),
            "set the clock: certificates of the coordinator are not valid yet"};
  }
  if (facts.is_synchronised == false) {
    return {Verdict::warn, "clock", fmt::format("{}, not synchronised", now),
            "run chrony or another NTP client, where several hosts take part: certificates and "
            "times in metrics are compared"};
  }
  return {Verdict::ok, "clock",
          fmt::format("{}{}", now, facts.is_synchronised ? ", synchronised" : ""), ""};
}

}  // namespace softmoe::launcher
