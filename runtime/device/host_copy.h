#pragma once

// The only way from device memory to host code, and the way back.

#include <span>

#include "runtime/device/buffer.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe {

/// A copy to the host under way: started on a stream, waited for where the numbers are needed.
template <class T>
class HostCopy {
 public:
  /// Starts the copy behind all work of `stream` so far. `into` must live, and not be used by
  /// another copy, until the numbers have been read.
  HostCopy(View<const T> source, HostBuffer<T>& into, Stream& stream)
      : target_(into.room_for(source.size(), stream.device())),
        size_(source.size()),
        stream_(&stream) {
    stream.copy(target_, source.data(), Bytes(source.bytes()), CopyDirection::to_host);
    stream.record(done_);
  }

  /// Waits for the copy and returns the numbers; the span is valid as long as the buffer.
  [[nodiscard]] std::span<const T> wait() const {
    stream_->host_wait(done_);
    return {target_, static_cast<std::size_t>(size_)};
  }

 private:
  T* target_;
  std::int64_t size_;
  Stream* stream_;
  Event done_;
};

/// Copies host numbers to the device. `source` must stay alive and unchanged until `stream` has
/// passed this point.
template <class T>
void upload(std::span<const T> source, View<T> target, Stream& stream) {
  require(static_cast<std::int64_t>(source.size()) == target.size(),
          "an upload has another size than its target");
  stream.copy(target.data(), source.data(), Bytes(target.bytes()), CopyDirection::to_device);
}

}  // namespace softmoe
