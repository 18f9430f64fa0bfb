#pragma once

// Rows that say where they come from, so that every element that a move misplaces is found.

#include <cstdint>
#include <span>

#include "runtime/device/view.h"

namespace softmoe::bench {

/// Which row it is: the index-th that rank `source` has for a cell of the whole group.
struct RowTag {
  int source = 0;
  std::int64_t cell = 0;
  std::int64_t index = 0;
};

/// Least bytes of a row that holds its tag.
inline constexpr std::int64_t kMinTaggedRowBytes = 16;

/// Writes the tag and numbers drawn from it.
void write_tagged_row(std::span<std::uint32_t> row, const RowTag& tag);
/// Elements of `row` that differ from what write_tagged_row() writes.
[[nodiscard]] std::int64_t count_wrong_elements(std::span<const std::uint32_t> row,
                                                const RowTag& tag);

}  // namespace softmoe::bench
