#pragma once

// What a thread reads and writes at once: a unit of 16 bytes. For .cu files.
//
// Which thread owns which element depends on the element's place in its row alone, never on
// addresses: memory that is not aligned is read element by element, to the same sums in the same
// order, bit for bit. To that end kernels write a * b + c as fmaf(a, b, c): the compiler may fuse
// it in one variant of a kernel and not in another.

#include <cstdint>
#include <initializer_list>

#include "runtime/base/dtype.h"
#include "runtime/device/cuda/launch.h"

namespace softmoe::ops::cuda {

inline constexpr std::int64_t kUnitBytes = 16;

/// Elements of one unit.
template <class T>
inline constexpr int kUnit = static_cast<int>(kUnitBytes / sizeof(T));

/// One unit, moved by one instruction.
template <class T>
struct alignas(kUnitBytes) Unit {
  T at[kUnit<T>];
};

/// One unit while it is computed: f64 and integers as they are, the rest in f32.
template <class T>
using ArithmeticOf = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;
template <class T>
struct UnitValues {
  ArithmeticOf<T> at[kUnit<T>];
};

/// How rows lie in memory.
enum class Access {
  units,    ///< every row begins at a multiple of 16 bytes
  elements  ///< it may begin anywhere
};

[[nodiscard]] constexpr std::int64_t units_of(std::int64_t elements, int per_unit) {
  return (elements + per_unit - 1) / per_unit;
}

/// @param row_bytes from one row to the next; 0 if there is only one.
[[nodiscard]] inline Access access_to(std::int64_t row_bytes,
                                      std::initializer_list<const void*> rows) {
  std::uintptr_t together = static_cast<std::uintptr_t>(row_bytes);
  for (const void* const row : rows) together |= reinterpret_cast<std::uintptr_t>(row);
  return together % kUnitBytes == 0 ? Access::units : Access::elements;
}

/// Unit `unit` of a row of `columns` elements, zero beyond its end.
template <Access kAccess, class T>
__device__ UnitValues<T> load_unit(const T* row, std::int64_t unit, std::int64_t columns) {
  const std::int64_t first = unit * kUnit<T>;
  UnitValues<T> values;
  if (kAccess == Access::units && first + kUnit<T> <= columns) {
    const Unit<T> stored = *reinterpret_cast<const Unit<T>*>(row + first);
    for (int i = 0; i < kUnit<T>; ++i) values.at[i] = static_cast<ArithmeticOf<T>>(stored.at[i]);
    return values;
  }
  for (int i = 0; i < kUnit<T>; ++i) {
    values.at[i] =
        first + i < columns ? static_cast<ArithmeticOf<T>>(row[first + i]) : ArithmeticOf<T>(0);
  }
  return values;
}

/// Rounds once; writes nothing beyond the end of the row.
template <Access kAccess, class T>
__device__ void store_unit(T* row, std::int64_t unit, std::int64_t columns,
                           const UnitValues<T>& values) {
  const std::int64_t first = unit * kUnit<T>;
  if (kAccess == Access::units && first + kUnit<T> <= columns) {
    Unit<T> stored;
    for (int i = 0; i < kUnit<T>; ++i) stored.at[i] = static_cast<T>(values.at[i]);
    *reinterpret_cast<Unit<T>*>(row + first) = stored;
    return;
  }
  for (int i = 0; i < kUnit<T>; ++i) {
    if (first + i < columns) row[first + i] = static_cast<T>(values.at[i]);
  }
}

}  // namespace softmoe::ops::cuda
