#pragma once

// Tiles of attention scores: a block of queries against a block of keys of one head. A block of
// queries reads keys from the first one up to its own diagonal, so next to nothing above it is
// computed. A tile lies key by key: queries are neighbours in a vector, each with a softmax of its
// own, and only blocks of queries have to be transposed.

#include <algorithm>
#include <cstdint>

#include "runtime/ops/attention.h"
#include "runtime/ops/cpu/blas.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

inline constexpr std::int64_t kQueryBlock = 64;
/// Many, so that a short sequence needs no second block; a tile stays within the second cache.
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

/// Queries [q_begin, q_end) against keys [k_begin, k_end) of a head. Element (key, query) of a
/// tile is at key * stride() + query.
struct AttentionTile {
  std::int64_t q_begin;
  std::int64_t q_end;
  std::int64_t k_begin;
  std::int64_t k_end;
  std::int64_t lead;  ///< K - Q

  [[nodiscard]] std::int64_t queries() const { return q_end - q_begin; }
  [[nodiscard]] std::int64_t keys() const { return k_end - k_begin; }
  [[nodiscard]] std::int64_t stride() const { return (queries() + kLanes - 1) / kLanes * kLanes; }
  /// Key and query meet on the diagonal where key - query is this.
  [[nodiscard]] std::int64_t diagonal() const { return lead + q_begin - k_begin; }
  /// How many of the tile's keys its query sees.
  [[nodiscard]] std::int64_t visible(std::int64_t query) const {
    return std::clamp<std::int64_t>(diagonal() + query + 1, 0, keys());
  }
  /// How many keys one of the queries from `first` to the end of its vector sees.
  [[nodiscard]] std::int64_t visible_to_vector(std::int64_t first) const {
    return visible(std::min(first + kLanes, queries()) - 1);
  }
};

/// Calls body(tile) for the key blocks that queries [q_begin, q_end) see, first keys first.
template <class Body>
void for_key_blocks(const AttentionShape& shape, std::int64_t q_begin, std::int64_t q_end,
                    const Body& body) {
  const std::int64_t lead = shape.keys - shape.queries;
  const std::int64_t last = lead + q_end;
  for (std::int64_t k_begin = 0; k_begin < last; k_begin += kKeyBlock) {
    body(AttentionTile{q_begin, q_end, k_begin, std::min(last, k_begin + kKeyBlock), lead});
  }
}

/// Floats of one tile of this shape.
[[nodiscard]] std::int64_t tile_elements(const AttentionShape& shape);
/// Floats of a block of queries, transposed.
[[nodiscard]] std::int64_t block_elements(const AttentionShape& shape);

/// 1 / sqrt(D).
[[nodiscard]] float score_scale(const AttentionShape& shape);

/// block_DQ := scale * rows_QD^T, of the queries [begin, end).
void transpose_queries(const BlasMatrix& rows_QD, std::int64_t begin, std::int64_t end,
                       std::int64_t head_size, float scale, float* block_DQ);

/// tile := rows_KD * block_DQ, for every vector of queries of which one sees the key.
void multiply_keys(const AttentionTile& tile, const BlasMatrix& rows_KD, const float* block_DQ,
                   std::int64_t head_size, float* product);

/// A key that all queries of a vector see.
struct SeenByAll {};
/// x where a query of the vector sees the key, else `otherwise`.
[[nodiscard]] inline Vec where_seen(SeenByAll, Vec x, float /*otherwise*/) {
  return x;
}
[[nodiscard]] inline Vec where_seen(VecBits is_seen, Vec x, float otherwise) {
  return is_seen ? x : all(otherwise);
}

/// Calls body(offset, seen) for all keys that a query of a vector sees: where the vector lies in
/// the tile, and who sees the key, for where_seen().
template <class Body>
void for_keys(const AttentionTile& tile, std::int64_t first_query, const Body& body) {
  const std::int64_t seen_by_all = tile.visible(first_query);
  const std::int64_t seen_by_one = tile.visible_to_vector(first_query);
  std::int64_t key = 0;
  for (; key < seen_by_all; ++key) body(key * tile.stride() + first_query, SeenByAll{});
  VecBits lane_index{};
  for (int lane = 0; lane < kLanes; ++lane) lane_index[lane] = lane;
  for (; key < seen_by_one; ++key) {
    const auto first_lane = static_cast<std::int32_t>(key - tile.diagonal() - first_query);
    body(key * tile.stride() + first_query, lane_index >= first_lane);
  }
}

/// Makes 0 of the keys behind those that for_keys() visits, as far as products over a diagonal
/// read.
void clear_beyond(const AttentionTile& tile, std::int64_t first_query, float* scores);

/// out_QD (+)= tile^T * rows_KD: a sum over the keys that each query sees.
void sum_over_keys(const AttentionTile& tile, const float* scores, const BlasMatrix& rows_KD,
                   std::int64_t head_size, bool adds, float* out, std::int64_t out_stride);

/// out_KD += tile * rows_QD: a sum over the queries that see each key.
void sum_over_queries(const AttentionTile& tile, const float* scores, const BlasMatrix& rows_QD,
                      std::int64_t head_size, float* out, std::int64_t out_stride);

}  // namespace softmoe::ops::cpu
