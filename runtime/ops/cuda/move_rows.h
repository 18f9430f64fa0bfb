#pragma once

// Copies of whole rows by an index. For .cu files.

#include <cstddef>
#include <cstdint>

#include "runtime/ops/cuda/row_walk.h"
#include "runtime/ops/cuda/unit.h"

namespace softmoe::ops::cuda {

/// The most bytes that are moved at once.
template <int kBytes>
struct alignas(kBytes) Chunk {
  std::byte at[kBytes];
};

/// out[i] = table[index[i]], rows of `row_bytes` bytes.
struct RowMove {
  const std::byte* table;
  const std::int32_t* index;
  std::byte* out;
  std::int64_t row_bytes;
};

/// Moves rows [0, num_rows).
template <int kBytes>
__device__ void move_rows(const RowMove& move, std::int64_t num_rows, int log2_threads) {
  const std::int64_t chunks = move.row_bytes / kBytes;
  const auto* const table = reinterpret_cast<const Chunk<kBytes>*>(move.table);
  auto* const out = reinterpret_cast<Chunk<kBytes>*>(move.out);
  const RowWalk walk(log2_threads);
  for (std::int64_t row = walk.first_row; row < num_rows; row += walk.row_step) {
    const Chunk<kBytes>* const source = table + move.index[row] * chunks;
    Chunk<kBytes>* const target = out + row * chunks;
    for (std::int64_t chunk = walk.first_unit; chunk < chunks; chunk += walk.unit_step) {
      target[chunk] = source[chunk];
    }
  }
}

/// Calls `visitor.template operator()<bytes>()` with the largest chunk that fits rows and
/// addresses: 16, 8, 4 or 2 bytes.
template <class Visitor>
void visit_chunk(const RowMove& move, Visitor&& visitor) {
  const auto together = static_cast<std::uintptr_t>(move.row_bytes) |
                        reinterpret_cast<std::uintptr_t>(move.table) |
                        reinterpret_cast<std::uintptr_t>(move.out);
  if (together % 16 == 0) return visitor.template operator()<16>();
  if (together % 8 == 0) return visitor.template operator()<8>();
  if (together % 4 == 0) return visitor.template operator()<4>();
  return visitor.template operator()<2>();
}

}  // namespace softmoe::ops::cuda
