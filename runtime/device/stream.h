#pragma once

// Order of work on a device. Every operation takes a stream, last; what it wrote is valid for later
// work on that stream, for other streams behind an Event, and for the host through HostCopy.

#include <functional>
#include <utility>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/device/schedule.h"

namespace softmoe {

/// A point in a stream. Recording it again moves it.
class Event {
 private:
  friend class Stream;
  Schedule::Ticket ticket_ = 0;
};

/// Work in first-in first-out order. Used by one host thread.
class Stream {
 public:
  explicit Stream(Device& device) : device_(&device), schedule_(device.schedule()) {}

  [[nodiscard]] Device& device() const { return *device_; }
  [[nodiscard]] Backend backend() const { return device_->backend(); }
  [[nodiscard]] Workers& workers() const { return device_->workers(); }

  /// Runs `work` on a host backend: at once, or held in deferred mode. Whatever it captures by
  /// reference must live until the stream has passed; capture views and numbers by value.
  template <class Work>
  void run(Work&& work) {
    if (schedule_ == nullptr) {
      work();
    } else {
      hold(std::function<void()>(std::forward<Work>(work)));
    }
  }

  /// Moves `event` behind all work of this stream so far.
  void record(Event& event) const { event.ticket_ = last_; }
  /// Later work of this stream starts only after `event`.
  void wait_for(const Event& event);
  /// The host waits for `event`. Only HostCopy and synchronize() call this.
  void host_wait(const Event& event) const;
  /// The host waits for everything on this stream.
  void synchronize() const;

 private:
  void hold(std::function<void()> work);

  Device* device_;
  Schedule* schedule_;
  Schedule::Ticket last_ = 0;
  std::vector<Schedule::Ticket> edges_;
};

}  // namespace softmoe
