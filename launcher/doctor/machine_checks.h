#pragma once

// The machine: memory, limits, processors, names, time.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "launcher/doctor/finding.h"
#include "launcher/doctor/launch_checks.h"

namespace softmoe::launcher {

/// Memory that processes share, where ranks of a node exchange messages.
struct SharedMemoryFacts {
  bool is_there = false;
  std::int64_t size = 0;
  std::int64_t free = 0;
};
[[nodiscard]] Finding check_shared_memory(const SharedMemoryFacts& facts);

/// Soft limits of this process; nothing: unlimited.
struct LimitFacts {
  std::optional<std::int64_t> locked_memory;
  std::optional<std::int64_t> open_files;
  std::optional<std::int64_t> stack;
  bool registers_memory = false;  ///< there is a GPU or InfiniBand, whose drivers lock memory
};
[[nodiscard]] Findings check_limits(const LimitFacts& facts);

struct CoreFacts {
  int usable = 1;               ///< by the affinity of this process
  int machine = 1;              ///< all of them
  std::optional<double> quota;  ///< of the control group, in cores
};
[[nodiscard]] Finding check_cores(const CoreFacts& facts);
/// What OMP_NUM_THREADS and the like ask for: softmoe has threads of its own.
[[nodiscard]] Finding check_thread_variables(const EnvironmentFacts& environment);

struct MemoryFacts {
  std::int64_t total = 0;
  std::int64_t available = 0;
  std::optional<std::int64_t> group_limit;  ///< of the control group
};
[[nodiscard]] Finding check_memory(const MemoryFacts& facts);

struct NetworkFacts {
  std::string loopback_fault;  ///< why no port could be bound at 127.0.0.1; empty: one could
  std::string host;            ///< the machine's name
  std::string address;         ///< what the name resolves to; empty: nothing
};
[[nodiscard]] Findings check_network(const NetworkFacts& facts);

struct ClockFacts {
  std::chrono::system_clock::time_point now;
  std::optional<bool> is_synchronised;  ///< nothing: the system does not say
};
/// @param built  when the program was made: no earlier time can be right
[[nodiscard]] Finding check_clock(const ClockFacts& facts,
                                  std::chrono::system_clock::time_point built);

}  // namespace softmoe::launcher
