#include <array>

#include "runtime/ops/attention.h"
#include "runtime/ops/cpu/attention_tile.h"
#include "runtime/ops/cpu/vec.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

/// A matrix that receives a gradient.
struct Gradient {
  float* data;
  std::int64_t stride;

  [[nodiscard]] float* row(std::int64_t i) const { return data + i * stride; }
};

/// What one worker needs to go through the heads of one kv head.
struct HeadBackward {
  const AttentionArguments& forward;
  AttentionHead head;
  BlasMatrix d_o;
  Gradient d_q;
  Gradient d_k;
  Gradient d_v;
  float* p;         ///< a tile of probabilities
  float* d_scores;  ///< a tile of their gradients

  /// delta = d_o . o, the share of the softmax's sum in the gradient of each score.
  [[nodiscard]] float delta_of(std::int64_t query) const {
    const float* const o = forward.o.as<float>().data() + head.o_offset + query * head.o_stride;
    const float* const gradient = d_o.data + query * d_o.stride;
    Vec dot{};
    for_vectors(forward.shape.head_size, [&](std::int64_t d, auto lanes) {
      dot += load(o + d, lanes) * load(gradient + d, lanes);
    });
    return sum_lanes(dot);
  }

  /// p := exp(score - log_sum) and d_scores := p (d_p - delta) / sqrt(D), in place; both 0 above
  /// the diagonal.
  void differentiate_row(const AttentionTile& tile, std::int64_t row, float delta) const {
    const AttentionShape& shape = forward.shape;
    const std::int64_t visible = tile.visible(row, shape.keys - shape.queries);
    const float log_sum =
        forward.log_sum
            .as<float>()[head.log_sum_offset + (tile.q_begin + row) * head.log_sum_stride];
    const float scale = score_scale(shape);
    float* const p_row = p + row * tile.keys();
    float* const d_row = d_scores + row * tile.keys();
    for_vectors(visible, [&](std::int64_t i, auto lanes) {
      const Vec probability = exp(load(p_row + i, lanes) - log_sum);
      store(probability, p_row + i, lanes);
      store(probability * (load(d_row + i, lanes) - delta) * scale, d_row + i, lanes);
    });
    std::fill_n(p_row + visible, tile.keys() - visible, 0.0F);
    std::fill_n(d_row + visible, tile.keys() - visible, 0.0F);
  }

  /// Adds a tile's share to d_k and d_v, and to d_q (its first tile overwrites).
  void run_tile(const AttentionTile& tile, const std::array<float, kQueryBlock>& delta) const {
    const AttentionShape& shape = forward.shape;
    const std::int64_t size = shape.head_size;
    const BlasMatrix q{head.q.data + tile.q_begin * head.q.stride, head.q.stride};
    const BlasMatrix k{head.k.data + tile.k_begin * head.k.stride, head.k.stride};
    const BlasMatrix d_o_rows{d_o.data + tile.q_begin * d_o.stride, d_o.stride};
    score_tile(head, tile, shape, p);
    sgemm({.m = tile.queries(), .n = tile.keys(), .k = size}, d_o_rows,
          {head.v.data + tile.k_begin * head.v.stride, head.v.stride, Transpose::yes}, d_scores,
          tile.keys());
    for (std::int64_t row = 0; row < tile.queries(); ++row) {
      differentiate_row(tile, row, delta[static_cast<std::size_t>(row)]);
    }
    const BlasProduct to_keys{.m = tile.keys(), .n = size, .k = tile.queries(), .beta = 1.0F};
    sgemm(to_keys, {p, tile.keys(), Transpose::yes}, d_o_rows, d_v.row(tile.k_begin), d_v.stride);
    sgemm(to_keys, {d_scores, tile.keys(), Transpose::yes}, q, d_k.row(tile.k_begin), d_k.stride);
    sgemm(
        {.m = tile.queries(), .n = size, .k = tile.keys(), .beta = tile.k_begin == 0 ? 0.0F : 1.0F},
        {d_scores, tile.keys()}, k, d_q.row(tile.q_begin), d_q.stride);
  }

  void run() const {
    const AttentionShape& shape = forward.shape;
    for (std::int64_t q_begin = 0; q_begin < shape.queries; q_begin += kQueryBlock) {
      const std::int64_t q_end = std::min(shape.queries, q_begin + kQueryBlock);
      std::array<float, kQueryBlock> delta;
      for (std::int64_t query = q_begin; query < q_end; ++query) {
        delta[static_cast<std::size_t>(query - q_begin)] = delta_of(query);
      }
      for_key_blocks(shape, q_begin, q_end,
                     [&](const AttentionTile& tile) { run_tile(tile, delta); });
    }
  }
};

/// All gradients of one kv head of one sequence. Its query heads follow one another, so the sums of
/// d_k and d_v have one order.
/// @param tiles two tiles to work in
void backward_of_kv_head(const AttentionBackwardArguments& arguments, std::int64_t sequence,
                         std::int64_t kv_head, float* tiles) {
  const AttentionShape& shape = arguments.forward.shape;
  const std::int64_t group = shape.heads / shape.kv_heads;
  for (std::int64_t member = 0; member < group; ++member) {
    const AttentionHead head(arguments.forward, sequence, kv_head * group + member);
    const HeadBackward backward{
        .forward = arguments.forward,
        .head = head,
        .d_o = {arguments.d_o.as<float>().data() + head.o_offset, head.o_stride},
        .d_q = {arguments.d_q.as<float>().data() + head.q_offset, head.q.stride},
        .d_k = {arguments.d_k.as<float>().data() + head.k_offset, head.k.stride},
        .d_v = {arguments.d_v.as<float>().data() + head.v_offset, head.v.stride},
        .p = tiles,
        .d_scores = tiles + tile_elements(shape)};
    if (member == 0) {
      for (std::int64_t key = 0; key < shape.keys; ++key) {
        std::fill_n(backward.d_k.row(key), shape.head_size, 0.0F);
        std::fill_n(backward.d_v.row(key), shape.head_size, 0.0F);
      }
    }
    backward.run();
  }
}

}  // namespace

void attention_backward(const AttentionBackwardArguments& arguments, Arena& scratch,
                        Stream& stream) {
  const ArenaScope scope(scratch);
  const std::int64_t two_tiles = 2 * tile_elements(arguments.forward.shape);
  const WorkerRooms<float> tiles(scratch, stream.workers().size(), two_tiles);
  stream.run([arguments, tiles, workers = &stream.workers()] {
    const AttentionShape& shape = arguments.forward.shape;
    workers->for_each_near(shape.sequences * shape.kv_heads, [&](std::int64_t index, int worker) {
      backward_of_kv_head(arguments, index / shape.kv_heads, index % shape.kv_heads,
                          tiles.of(worker));
    });
  });
}

}  // namespace softmoe::ops::cpu
