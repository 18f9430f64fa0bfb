#pragma once

#include <cstdint>

#include "runtime/device/view.h"

namespace softmoe::ops::cpu {

/// Memory of its own for every worker of an operation, in one push. Rooms lie apart: side by side,
/// a core that fetches ahead of what it reads takes lines from under the one that writes them.
template <class T>
class WorkerRooms {
 public:
  /// @param scratch   an Arena, or what measures one
  /// @param elements  of each worker
  template <class AnyArena>
  WorkerRooms(AnyArena& scratch, int num_workers, std::int64_t elements)
      : stride_((elements + kPerLine - 1) / kPerLine * kPerLine + (num_workers > 1 ? kApart : 0)),
        rooms_(scratch.template push<T>(num_workers * stride_)) {}

  [[nodiscard]] T* of(int worker) const { return rooms_.data() + worker * stride_; }

 private:
  static constexpr std::int64_t kPerLine = 64 / sizeof(T);
  /// More than processors fetch ahead, 20 lines.
  static constexpr std::int64_t kApart = 2048 / sizeof(T);
  static_assert(kPerLine * sizeof(T) == 64);

  std::int64_t stride_;
  View<T> rooms_;
};

}  // namespace softmoe::ops::cpu
