#include "runtime/ops/attention.h"

#include <array>
#include <cmath>

#include "runtime/ops/cpu/attention_tile.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// The softmax of each query of a block so far: what came before is rescaled when a higher score
/// turns up (Milakov and Gimelshein, arXiv 1805.02867).
struct RunningSoftmax {
  alignas(Vec) std::array<float, kQueryBlock> maximum;
  alignas(Vec) std::array<float, kQueryBlock> sum{};
  alignas(Vec) std::array<float, kQueryBlock> factor;  ///< for what was summed before a tile

  RunningSoftmax() { maximum.fill(kLowest); }

  /// Turns the scores of a vector of queries into exp(score - maximum), or 0 where a query does not
  /// see the key.
  void take_scores(const AttentionTile& tile, std::int64_t first_query, float* scores) {
    float* const maximum_of = maximum.data() + first_query;
    const Vec before = load(maximum_of, Full{});
    Vec highest = before;
    for_keys(tile, first_query, [&](std::int64_t offset, auto seen) {
      highest = max(highest, where_seen(seen, load(scores + offset, Full{}), kLowest));
    });
    Vec added{};
    for_keys(tile, first_query, [&](std::int64_t offset, auto seen) {
      const Vec power = exp(load(scores + offset, Full{}) - highest);
      const Vec weight = where_seen(seen, power, 0.0F);
      added += weight;
      store(weight, scores + offset, Full{});
    });
    clear_beyond(tile, first_query, scores);
    const Vec scale = exp(before - highest);
    float* const sum_of = sum.data() + first_query;
    store(load(sum_of, Full{}) * scale + added, sum_of, Full{});
    store(scale, factor.data() + first_query, Full{});
    store(highest, maximum_of, Full{});
  }
};

void scale_row(float* x, std::int64_t size, float factor) {
  for_vectors(
      size, [&](std::int64_t i, auto lanes) { store(load(x + i, lanes) * factor, x + i, lanes); });
}

/// What a worker works in.
struct Room {
  float* block_DQ;
  float* scores;
};

/// o and log_sum of the queries from q_begin on of one head.
void attend_block(const AttentionArguments& arguments, const AttentionHead& head,
                  std::int64_t q_begin, const Room& room) {
  const AttentionShape& shape = arguments.shape;
  const std::int64_t q_end = std::min(shape.queries, q_begin + kQueryBlock);
  float* const o = arguments.o.as<float>().data() + head.o_offset + q_begin * head.o_stride;
  transpose_queries(head.q, q_begin, q_end, shape.head_size, score_scale(shape), room.block_DQ);
  RunningSoftmax softmax;
  for_key_blocks(shape, q_begin, q_end, [&](const AttentionTile& tile) {
    const bool is_first = tile.k_begin == 0;
    multiply_keys(tile, head.k, room.block_DQ, shape.head_size, room.scores);
    for (std::int64_t query = 0; query < tile.queries(); query += kLanes) {
      softmax.take_scores(tile, query, room.scores);
    }
    const std::int64_t begun = is_first ? 0 : tile.queries();
    for (std::int64_t query = 0; query < begun; ++query) {
      scale_row(o + query * head.o_stride, shape.head_size,
                softmax.factor[static_cast<std::size_t>(query)]);
    }
    sum_over_keys(tile, room.scores, head.v, shape.head_size, /*adds=*/!is_first, o, head.o_stride);
  });
  float* const log_sum = arguments.log_sum.as<float>().data() + head.log_sum_offset;
  for (std::int64_t query = q_begin; query < q_end; ++query) {
    const auto i = static_cast<std::size_t>(query - q_begin);
    scale_row(o + (query - q_begin) * head.o_stride, shape.head_size, 1.0F / softmax.sum[i]);
    log_sum[query * head.log_sum_stride] = softmax.maximum[i] + std::log(softmax.sum[i]);
  }
}

}  // namespace

void attention(const AttentionArguments& arguments, Arena& scratch, Stream& stream) {
  const ArenaScope scope(scratch);
  const std::int64_t block = block_elements(arguments.shape);
  const WorkerRooms<float> rooms(scratch, stream.workers().size(),
                                 block + tile_elements(arguments.shape));
  stream.run([arguments, rooms, block, workers = &stream.workers()] {
    const AttentionShape& shape = arguments.shape;
    const std::int64_t blocks = (shape.queries + kQueryBlock - 1) / kQueryBlock;
    const std::int64_t num_heads = shape.sequences * shape.heads;
    workers->for_each_near(num_heads * blocks, [&](std::int64_t index, int worker) {
      // The last block of queries sees the most keys: it goes first.
      const std::int64_t q_begin = (blocks - 1 - index % blocks) * kQueryBlock;
      const std::int64_t place = index / blocks;
      attend_block(arguments, AttentionHead(arguments, place / shape.heads, place % shape.heads),
                   q_begin, {rooms.of(worker), rooms.of(worker) + block});
    });
  });
}

}  // namespace softmoe::ops::cpu
