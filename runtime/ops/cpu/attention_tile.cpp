#include "runtime/ops/cpu/attention_tile.h"

#include <cmath>

namespace softmoe::ops::cpu {

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
  return std::min(kQueryBlock, shape.queries) * std::min(kKeyBlock, shape.keys);
}

float score_scale(const AttentionShape& shape) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(shape.head_size)));
}

void score_tile(const AttentionHead& head, const AttentionTile& tile, const AttentionShape& shape,
                float* scores) {
  sgemm({.m = tile.queries(), .n = tile.keys(), .k = shape.head_size, .alpha = score_scale(shape)},
        {head.q.data + tile.q_begin * head.q.stride, head.q.stride},
        {head.k.data + tile.k_begin * head.k.stride, head.k.stride, Transpose::yes}, scores,
        tile.keys());
}

}  // namespace softmoe::ops::cpu
