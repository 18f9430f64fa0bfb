#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "launcher/doctor/gather.h"

namespace softmoe::launcher {

namespace {

std::optional<std::int64_t> limit_of(__rlimit_resource_t resource) {
  rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return static_cast<std::int64_t>(limit.rlim_cur);
}

/// Two numbers of a control group's file; "max" and a missing file give nothing.
std::optional<std::array<double, 2>> numbers_of_group(const char* path) {
  std::ifstream file(path);
  std::array<double, 2> numbers = {0, 1};
  if (!(file >> numbers[0])) return std::nullopt;
  file >> numbers[1];
  return numbers;
}

/// A number of kibibytes in /proc/meminfo, as bytes.
std::int64_t memory_line(const std::string& name) {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    std::int64_t kibibytes = 0;
    if (word == name + ":" && file >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

std::string loopback_fault() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (socket < 0) return std::strerror(errno);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string fault;
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(socket, 1) != 0) {
    fault = std::strerror(errno);
  }
  ::close(socket);
  return fault;
}

std::string address_of(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return "";
  std::array<char, NI_MAXHOST> text{};
  const int code = ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(),
                                 nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  return code == 0 ? text.data() : "";
}

}  // namespace

SharedMemoryFacts gather_shared_memory() {
  struct statvfs space = {};
  if (::statvfs("/dev/shm", &space) != 0) return {};
  const auto bytes = [&](fsblkcnt_t blocks) {
    return static_cast<std::int64_t>(blocks * space.f_frsize);
  };
  return {.is_there = true, .size = bytes(space.f_blocks), .free = bytes(space.f_bavail)};
}

LimitFacts gather_limits() {
  std::error_code error;
  return {.locked_memory = limit_of(RLIMIT_MEMLOCK),
          .open_files = limit_of(RLIMIT_NOFILE),
          .stack = limit_of(RLIMIT_STACK),
          .registers_memory = std::filesystem::exists("/sys/class/infiniband", error) ||
                              std::filesystem::exists("/proc/driver/nvidia", error)};
}

CoreFacts gather_cores() {
  CoreFacts facts;
  cpu_set_t set;
  CPU_ZERO(&set);
  facts.machine = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  facts.usable = ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : facts.machine;
  if (const auto quota = numbers_of_group("/sys/fs/cgroup/cpu.max"))
    facts.quota = (*quota)[0] / (*quota)[1];
  return facts;
}

MemoryFacts gather_memory() {
  MemoryFacts facts{.total = memory_line("MemTotal"), .available = memory_line("MemAvailable")};
  if (const auto limit = numbers_of_group("/sys/fs/cgroup/memory.max"))
    facts.group_limit = static_cast<std::int64_t>((*limit)[0]);
  return facts;
}

NetworkFacts gather_network() {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);
  return {
      .loopback_fault = loopback_fault(), .host = host.data(), .address = address_of(host.data())};
}

ClockFacts gather_clock() {
  timex state = {};
  const int code = ::adjtimex(&state);
  ClockFacts facts{.now = std::chrono::system_clock::now(), .is_synchronised = {}};
  if (code >= 0) facts.is_synchronised = code != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  return facts;
}

}  // namespace softmoe::launcher
