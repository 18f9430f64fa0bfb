#pragma once

// Tiles of attention scores: a block of queries against a block of keys of one head. A block of
// queries reads keys from the first one up to its own diagonal, so nothing above it is computed.

#include <algorithm>
#include <cstdint>

#include "runtime/ops/attention.h"
#include "runtime/ops/cpu/blas.h"

namespace softmoe::ops::cpu {

inline constexpr std::int64_t kQueryBlock = 64;
/// Wide, so that a short sequence needs no second block; a tile stays within the second cache.
inline constexpr std::int64_t kKeyBlock = 256;

/// One head of one sequence: where its matrices lie. Rows of q and o are queries, of k and v keys.
struct AttentionHead {
  BlasMatrix q;
  BlasMatrix k;
  BlasMatrix v;
  std::int64_t o_offset;  ///< of its first element in o and d_o
  std::int64_t o_stride;
  std::int64_t log_sum_offset;  ///< of its first element in log_sum
  std::int64_t log_sum_stride;
  std::int64_t q_offset;  ///< of its first element in q and d_q
  std::int64_t k_offset;  ///< likewise in k and d_k
  std::int64_t v_offset;

  AttentionHead(const AttentionArguments& arguments, std::int64_t sequence, std::int64_t head);
};

/// Queries [q_begin, q_end) against keys [k_begin, k_end) of a head.
struct AttentionTile {
  std::int64_t q_begin;
  std::int64_t q_end;
  std::int64_t k_begin;
  std::int64_t k_end;

  [[nodiscard]] std::int64_t queries() const { return q_end - q_begin; }
  [[nodiscard]] std::int64_t keys() const { return k_end - k_begin; }
  /// How many of the tile's keys its query `row` sees. @param lead K - Q
  [[nodiscard]] std::int64_t visible(std::int64_t row, std::int64_t lead) const {
    return std::clamp<std::int64_t>(lead + q_begin + row + 1 - k_begin, 0, keys());
  }
};

/// Calls body(tile) for the key blocks that queries [q_begin, q_end) see, first keys first.
template <class Body>
void for_key_blocks(const AttentionShape& shape, std::int64_t q_begin, std::int64_t q_end,
                    const Body& body) {
  const std::int64_t last = shape.keys - shape.queries + q_end;
  for (std::int64_t k_begin = 0; k_begin < last; k_begin += kKeyBlock) {
    body(AttentionTile{q_begin, q_end, k_begin, std::min(last, k_begin + kKeyBlock)});
  }
}

/// Floats of one tile of this shape.
[[nodiscard]] std::int64_t tile_elements(const AttentionShape& shape);

/// 1 / sqrt(D).
[[nodiscard]] float score_scale(const AttentionShape& shape);

/// scores [queries, keys] := q k^T / sqrt(D), above the diagonal too.
void score_tile(const AttentionHead& head, const AttentionTile& tile, const AttentionShape& shape,
                float* scores);

}  // namespace softmoe::ops::cpu
