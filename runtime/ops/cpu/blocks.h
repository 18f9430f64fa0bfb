#pragma once

// Work cut into blocks for the workers. A block's size never depends on how many workers there are.

#include <algorithm>
#include <cstdint>

#include "runtime/device/workers.h"

namespace softmoe::ops::cpu {

/// Elements that make a block worth handing to another thread: tens of microseconds.
inline constexpr std::int64_t kBlockElements = 32768;

/// Columns that one worker owns where the rows of a matrix must be taken in order: narrow enough
/// that some hundred columns keep several workers busy, wide enough to read whole cache lines.
inline constexpr std::int64_t kOrderedColumns = 64;

/// Calls body(begin, end) for the blocks of `block` neighbours that make up [0, count).
template <class Body>
void for_blocks(Workers& workers, std::int64_t count, std::int64_t block, const Body& body) {
  const std::int64_t num_blocks = (count + block - 1) / block;
  workers.for_each_near(num_blocks, [&](std::int64_t index, int /*worker*/) {
    body(index * block, std::min(count, (index + 1) * block));
  });
}

/// Calls body(begin, end) for blocks of rows of about kBlockElements elements.
template <class Body>
void for_row_blocks(Workers& workers, std::int64_t rows, std::int64_t row_elements,
                    const Body& body) {
  const std::int64_t per_row = std::max<std::int64_t>(1, row_elements);
  for_blocks(workers, rows, std::max<std::int64_t>(1, kBlockElements / per_row), body);
}

}  // namespace softmoe::ops::cpu
