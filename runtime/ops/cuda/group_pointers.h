#pragma once

// Where the matrices of a grouped product lie, found out on the device: the host sends offsets, no
// arrays of addresses.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops::cuda {

/// Numbers of rows that a group may have to be meant: at_least <= rows < below.
struct RowLimits {
  std::int64_t at_least = 1;
  std::int64_t below = std::numeric_limits<std::int64_t>::max();
};

/// Calls `visit(group, begin, end)` for the groups within the limits, in order.
/// @param row_begin  [groups + 1]
template <class Visit>
void for_each_group(std::span<const std::int64_t> row_begin, RowLimits limits, Visit&& visit) {
  for (std::size_t group = 0; group + 1 < row_begin.size(); ++group) {
    const std::int64_t begin = row_begin[group];
    const std::int64_t end = row_begin[group + 1];
    if (end - begin < limits.at_least || end - begin >= limits.below) continue;
    visit(static_cast<std::int64_t>(group), begin, end);
  }
}

/// Where an operand keeps the matrices of the groups: in rows of one matrix, or in a slice for each
/// group. What does not apply is 0.
struct GroupOperand {
  const std::byte* base;
  std::int64_t row_bytes;
  std::int64_t slice_bytes;
};

/// pointers[o * G + i] := operand o's matrix of the i-th of G groups within the limits.
/// @param row_begin  host, [groups + 1]; read before return
/// @param operands   three
/// @param pointers   [3 * G]
void fill_group_pointers(std::span<const std::int64_t> row_begin, RowLimits limits,
                         std::span<const GroupOperand, 3> operands, View<void*> pointers,
                         Stream& stream);

}  // namespace softmoe::ops::cuda
