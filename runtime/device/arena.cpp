#include "runtime/device/arena.h"

#include <fmt/format.h>

#include <algorithm>

namespace softmoe {

Arena::Arena(Device& device, Bytes capacity) : device_(&device), memory_(device, capacity) {}

void Arena::release(Mark mark) {
  // Destructors call this, so it must not throw: a mark above the top pops nothing.
  used_ = std::min(used_, mark);
}

void* Arena::take(std::int64_t bytes) {
  require(bytes >= 0, "an arena cannot give a negative size");
  const std::int64_t rounded = arena_room(bytes);
  if (used_ + rounded > memory_.size().value) {
    throw DeviceError(fmt::format(
        "the arena of {} bytes has {} in use and cannot give {} more: raise runtime.arena_bytes or "
        "make the lane smaller",
        memory_.size().value, used_, rounded));
  }
  void* place = memory_.as<std::byte>().data() + used_;
  used_ += rounded;
  peak_ = std::max(peak_, used_);
  return place;
}

}  // namespace softmoe
