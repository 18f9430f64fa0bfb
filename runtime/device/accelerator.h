#pragma once

// What streams, events and copies are made of on an accelerator. The processor has none of it.

#include <cstdint>
#include <exception>

#include "runtime/base/strong.h"

namespace softmoe {

/// Which streams go first where both have work that could start.
enum class StreamPriority : std::uint8_t { normal, high };

enum class CopyDirection : std::uint8_t { to_device, to_host, within_device };

/// The runtime of one accelerator. Handles are its own: a stream is what its libraries call one.
/// Used by the host thread of a rank, except fail(), which any thread may call.
/// @throws DeviceError naming the call and what the runtime says of it.
class Accelerator {
 public:
  using StreamHandle = void*;
  using EventHandle = void*;

  virtual ~Accelerator() = default;

  [[nodiscard]] virtual StreamHandle create_stream(StreamPriority priority) = 0;
  /// Work already enqueued still runs.
  virtual void destroy_stream(StreamHandle stream) noexcept = 0;
  [[nodiscard]] virtual EventHandle create_event() = 0;
  virtual void destroy_event(EventHandle event) noexcept = 0;

  /// Moves `event` behind all work of `stream` so far.
  virtual void record(EventHandle event, StreamHandle stream) = 0;
  /// Later work of `stream` starts only after `event`.
  virtual void wait_for(StreamHandle stream, EventHandle event) = 0;
  /// The host waits. @throws also what fail() was given.
  virtual void host_wait(EventHandle event) = 0;
  /// Whether `event` has passed; does not wait. Any thread may ask.
  [[nodiscard]] virtual bool has_passed(EventHandle event) = 0;
  virtual void synchronize(StreamHandle stream) = 0;

  /// Enqueues a copy. Host memory is read or written when the copy runs, not now; only memory of
  /// Device::allocate_host() lets the host go on meanwhile.
  virtual void copy(void* target, const void* source, Bytes size, CopyDirection direction,
                    StreamHandle stream) = 0;
  /// Enqueues target[0, size) := 0.
  virtual void fill_zero(void* target, Bytes size, StreamHandle stream) = 0;

  /// Something behind the back of the host thread ended work of this device early, so that what the
  /// host waits for is not there: this wait or the next throws `failure`. The first one is kept.
  virtual void fail(std::exception_ptr failure) noexcept = 0;
};

}  // namespace softmoe
