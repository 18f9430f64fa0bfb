#include "runtime/ops/cpu/attention_tile.h"

#include <cmath>

#include "runtime/ops/cpu/tile_product.h"

namespace softmoe::ops::cpu {

namespace {

/// Columns of a tile of so many queries.
std::int64_t padded(std::int64_t queries) {
  return (queries + kLanes - 1) / kLanes * kLanes;
}

}  // namespace

AttentionHead::AttentionHead(const AttentionArguments& arguments, std::int64_t sequence,
                             std::int64_t head) {
  const AttentionShape& shape = arguments.shape;
  const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const std::int64_t first_query = sequence * shape.queries;
  const std::int64_t first_key = sequence * arguments.key_stride;
  o_stride = std::int64_t{shape.heads} * shape.head_size;
  o_offset = first_query * o_stride + head * shape.head_size;
  log_sum_stride = shape.heads;
  log_sum_offset = first_query * shape.heads + head;
  q_offset = first_query * arguments.q.dim(1) + arguments.q_column + head * shape.head_size;
  k_offset = first_key * arguments.k.dim(1) + arguments.k_column + kv_head * shape.head_size;
  v_offset = first_key * arguments.v.dim(1) + arguments.v_column + kv_head * shape.head_size;
  q = {arguments.q.as<float>().data() + q_offset, arguments.q.dim(1)};
  k = {arguments.k.as<float>().data() + k_offset, arguments.k.dim(1)};
  v = {arguments.v.as<float>().data() + v_offset, arguments.v.dim(1)};
}

std::int64_t tile_elements(const AttentionShape& shape) {
  return padded(std::min(kQueryBlock, shape.queries)) * std::min(kKeyBlock, shape.keys);
}

std::int64_t block_elements(const AttentionShape& shape) {
  return padded(std::min(kQueryBlock, shape.queries)) * shape.head_size;
}

float score_scale(const AttentionShape& shape) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(shape.head_size)));
}

void transpose_queries(const BlasMatrix& rows_QD, std::int64_t begin, std::int64_t end,
                       std::int64_t head_size, float scale, float* block_DQ) {
  transpose_tile({rows_QD.data + begin * rows_QD.stride, rows_QD.stride}, end - begin, head_size,
                 scale, {block_DQ, padded(end - begin)}, padded(end - begin));
}

void multiply_keys(const AttentionTile& tile, const BlasMatrix& rows_KD, const float* block_DQ,
                   std::int64_t head_size, float* product) {
  const std::int64_t stride = tile.stride();
  std::int64_t key = 0;
  for (std::int64_t query = 0; query < tile.queries(); query += kLanes) {
    // The keys of which this vector of queries is the first to see any.
    const std::int64_t end = tile.visible_to_vector(query);
    multiply_tile({.rows = end - key,
                   .columns = stride - query,
                   .terms = {.count = head_size},
                   .adds = false},
                  {rows_KD.data + (tile.k_begin + key) * rows_KD.stride, rows_KD.stride, 1},
                  {block_DQ + query, stride}, {product + key * stride + query, stride});
    key = end;
  }
}

void clear_beyond(const AttentionTile& tile, std::int64_t first_query, float* scores) {
  const std::int64_t seen = tile.visible_to_vector(first_query);
  const std::int64_t end = std::min(tile.keys(), seen + kTileRows);
  for (std::int64_t key = seen; key < end; ++key) {
    store(Vec{}, scores + key * tile.stride() + first_query, Full{});
  }
}

void sum_over_keys(const AttentionTile& tile, const float* scores, const BlasMatrix& rows_KD,
                   std::int64_t head_size, bool adds, float* out, std::int64_t out_stride) {
  multiply_tile({.rows = tile.queries(),
                 .columns = head_size,
                 .terms = {.count = tile.keys(), .end = tile.diagonal() + 1},
                 .adds = adds},
                {scores, 1, tile.stride()},
                {rows_KD.data + tile.k_begin * rows_KD.stride, rows_KD.stride}, {out, out_stride});
}

void sum_over_queries(const AttentionTile& tile, const float* scores, const BlasMatrix& rows_QD,
                      std::int64_t head_size, float* out, std::int64_t out_stride) {
  multiply_tile(
      {.rows = tile.keys(),
       .columns = head_size,
       .terms = {.count = tile.queries(), .begin = -tile.diagonal(), .end = tile.queries()},
       .adds = true},
      {scores, tile.stride(), 1}, {rows_QD.data + tile.q_begin * rows_QD.stride, rows_QD.stride},
      {out, out_stride});
}

}  // namespace softmoe::ops::cpu
