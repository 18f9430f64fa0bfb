#include "runtime/ops/attention.h"

#include <array>
#include <cmath>

#include "runtime/ops/cpu/attention_tile.h"
#include "runtime/ops/cpu/vec.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// The softmax of a row so far: what came before is rescaled when a higher score turns up
/// (Milakov and Gimelshein, arXiv 1805.02867).
struct RunningRow {
  float maximum = kLowest;
  float sum = 0.0F;
};

/// Turns the visible scores of a row into exp(score - maximum) and the others into 0; returns the
/// factor for what was summed before.
float take_scores(float* scores, std::int64_t visible, std::int64_t keys, RunningRow& row) {
  if (visible == 0) {
    std::fill_n(scores, keys, 0.0F);
    return 1.0F;
  }
  Vec highest = all(row.maximum);
  for_vectors(visible, [&](std::int64_t i, auto lanes) {
    highest = max(highest, load(scores + i, lanes, kLowest));
  });
  const float maximum = max_lanes(highest);
  Vec sum{};
  for_vectors(visible, [&](std::int64_t i, auto lanes) {
    const Vec power = exp(load(scores + i, lanes, kLowest) - maximum);
    sum += power;
    store(power, scores + i, lanes);
  });
  std::fill_n(scores + visible, keys - visible, 0.0F);
  const float factor = std::exp(row.maximum - maximum);
  row.maximum = maximum;
  row.sum = row.sum * factor + sum_lanes(sum);
  return factor;
}

void scale_row(float* x, std::int64_t size, float factor) {
  for_vectors(
      size, [&](std::int64_t i, auto lanes) { store(load(x + i, lanes) * factor, x + i, lanes); });
}

/// o and log_sum of queries [q_begin, q_end) of one head.
/// @param scores a tile to work in
void attend_block(const AttentionArguments& arguments, const AttentionHead& head,
                  std::int64_t q_begin, float* scores) {
  const AttentionShape& shape = arguments.shape;
  const std::int64_t q_end = std::min(shape.queries, q_begin + kQueryBlock);
  float* const o = arguments.o.as<float>().data() + head.o_offset + q_begin * head.o_stride;
  std::array<RunningRow, kQueryBlock> rows;
  for_key_blocks(shape, q_begin, q_end, [&](const AttentionTile& tile) {
    const bool is_first = tile.k_begin == 0;
    score_tile(head, tile, shape, scores);
    for (std::int64_t row = 0; row < tile.queries(); ++row) {
      const std::int64_t visible = tile.visible(row, shape.keys - shape.queries);
      const float factor = take_scores(scores + row * tile.keys(), visible, tile.keys(),
                                       rows[static_cast<std::size_t>(row)]);
      if (!is_first) scale_row(o + row * head.o_stride, shape.head_size, factor);
    }
    sgemm({.m = tile.queries(),
           .n = shape.head_size,
           .k = tile.keys(),
           .beta = is_first ? 0.0F : 1.0F},
          {scores, tile.keys()}, {head.v.data + tile.k_begin * head.v.stride, head.v.stride}, o,
          head.o_stride);
  });
  float* const log_sum = arguments.log_sum.as<float>().data() + head.log_sum_offset;
  for (std::int64_t query = q_begin; query < q_end; ++query) {
    const RunningRow& row = rows[static_cast<std::size_t>(query - q_begin)];
    scale_row(o + (query - q_begin) * head.o_stride, shape.head_size, 1.0F / row.sum);
    log_sum[query * head.log_sum_stride] = row.maximum + std::log(row.sum);
  }
}

}  // namespace

void attention(const AttentionArguments& arguments, Arena& scratch, Stream& stream) {
  const ArenaScope scope(scratch);
  const std::int64_t tile = tile_elements(arguments.shape);
  const WorkerRooms<float> tiles(scratch, stream.workers().size(), tile);
  stream.run([arguments, tiles, workers = &stream.workers()] {
    const AttentionShape& shape = arguments.shape;
    const std::int64_t blocks = (shape.queries + kQueryBlock - 1) / kQueryBlock;
    const std::int64_t num_heads = shape.sequences * shape.heads;
    workers->for_each_near(num_heads * blocks, [&](std::int64_t index, int worker) {
      // The last block of queries sees the most keys: it goes first.
      const std::int64_t block = blocks - 1 - index % blocks;
      const std::int64_t place = index / blocks;
      attend_block(arguments, AttentionHead(arguments, place / shape.heads, place % shape.heads),
                   block * kQueryBlock, tiles.of(worker));
    });
  });
}

}  // namespace softmoe::ops::cpu
