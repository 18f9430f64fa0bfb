#include "tests/gpu_emulation/faults.h"

#include <mutex>
#include <utility>

namespace softmoe::gpu_emulation {
namespace {

// A test of one mistake made by every thread needs no more than this to be understood.
constexpr std::size_t kMaxFaults = 100;

struct Faults {
  std::mutex mutex;
  std::vector<Fault> list;
};

Faults& faults() {
  static Faults instance;
  return instance;
}

}  // namespace

std::string_view name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::barrier:
      return "barrier";
    case FaultKind::warp_collective:
      return "warp collective";
    case FaultKind::shared_memory:
      return "shared memory";
    case FaultKind::device_memory:
      return "device memory";
    case FaultKind::copy:
      return "copy";
    case FaultKind::call:
      return "call";
    case FaultKind::library:
      return "library";
    case FaultKind::communication:
      return "communication";
    case FaultKind::deadlock:
      return "deadlock";
    case FaultKind::pending_work:
      return "pending work";
  }
  return "unknown";
}

void report(FaultKind kind, std::string text) {
  const std::lock_guard lock(faults().mutex);
  if (faults().list.size() < kMaxFaults) faults().list.push_back({kind, std::move(text)});
}

std::vector<Fault> take_faults() {
  const std::lock_guard lock(faults().mutex);
  return std::exchange(faults().list, {});
}

}  // namespace softmoe::gpu_emulation
