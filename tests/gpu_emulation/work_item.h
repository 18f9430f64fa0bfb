#pragma once

#include <string>

namespace softmoe::gpu_emulation {

/// Work on a stream: a kernel, a copy, an event, a transfer. All functions are called by the
/// scheduler under its lock, one at a time in the process, by whichever thread waits.
class WorkItem {
 public:
  virtual ~WorkItem() = default;

  /// Asked only when all earlier work of the stream is done, maybe many times. Work that also needs
  /// others (an event, a partner) says here whether they are there.
  [[nodiscard]] virtual bool ready() { return true; }
  /// Called once, after ready() was true, as the stream: with the memory of its device open.
  virtual void run() = 0;
  /// For reports: what this is, and what it waits for.
  [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace softmoe::gpu_emulation
