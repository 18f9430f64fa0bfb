#pragma once

// Order of work on a device. Every operation takes a stream, last; what it wrote is valid for later
// work on that stream, for other streams behind an Event, and for the host through HostCopy.

#include <functional>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/device/accelerator.h"
#include "runtime/device/device.h"
#include "runtime/device/schedule.h"

namespace softmoe {

/// A point in a stream. Recording it again moves it. The device of the stream outlives it.
class Event {
 public:
  Event() = default;
  Event(Event&& other) noexcept { swap(other); }
  Event& operator=(Event&& other) noexcept {
    Event(std::move(other)).swap(*this);
    return *this;
  }
  ~Event() {
    if (handle_ != nullptr) accelerator_->destroy_event(handle_);
  }

 private:
  friend class Stream;

  void swap(Event& other) noexcept {
    std::swap(ticket_, other.ticket_);
    std::swap(accelerator_, other.accelerator_);
    std::swap(handle_, other.handle_);
  }

  Schedule::Ticket ticket_ = 0;
  Accelerator* accelerator_ = nullptr;
  Accelerator::EventHandle handle_ = nullptr;  ///< null until recorded on an accelerator
};

/// Work in first-in first-out order. Used by one host thread.
class Stream {
 public:
  explicit Stream(Device& device, StreamPriority priority = StreamPriority::normal);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] Device& device() const { return *device_; }
  [[nodiscard]] Backend backend() const { return device_->backend(); }
  [[nodiscard]] Workers& workers() const { return device_->workers(); }
  /// The stream as the accelerator's libraries know it; null on the processor.
  [[nodiscard]] Accelerator::StreamHandle handle() const { return handle_; }

  /// Runs `work` on a host backend: at once, or held in deferred mode. Whatever it captures by
  /// reference must live until the stream has passed; capture views and numbers by value.
  /// @throws InternalError on an accelerator, whose memory the host cannot read.
  template <class Work>
  void run(Work&& work) {
    if (schedule_ != nullptr) {
      hold(std::function<void()>(std::forward<Work>(work)));
    } else {
      expect(accelerator_ == nullptr, "code of the host is not put on an accelerator's stream");
      work();
    }
  }

  /// Enqueues a copy between host and device, or within the device. Host memory must live, and not
  /// be touched, until the stream has passed.
  void copy(void* target, const void* source, Bytes size, CopyDirection direction);

  /// Moves `event` behind all work of this stream so far.
  void record(Event& event) const;
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
  Accelerator* accelerator_;
  Accelerator::StreamHandle handle_ = nullptr;
  Schedule::Ticket last_ = 0;
  std::vector<Schedule::Ticket> edges_;
};

/// Lets `later` wait for everything on `earlier` so far.
void join(const Stream& earlier, Stream& later);

}  // namespace softmoe
