#include <array>

#include "runtime/ops/attention.h"
#include "runtime/ops/cpu/attention_tile.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

/// A matrix that receives a gradient.
struct Gradient {
  float* data;
  std::int64_t stride;

  [[nodiscard]] float* row(std::int64_t i) const { return data + i * stride; }
};

/// What a worker works in.
struct Room {
  float* q_DQ;      ///< a block of queries, transposed and scaled
  float* d_o_DQ;    ///< the gradient of what they gave, transposed
  float* p;         ///< a tile of probabilities
  float* d_scores;  ///< a tile of their gradients

  Room(float* memory, const AttentionShape& shape)
      : q_DQ(memory),
        d_o_DQ(q_DQ + block_elements(shape)),
        p(d_o_DQ + block_elements(shape)),
        d_scores(p + tile_elements(shape)) {}
};

/// What belongs to the queries of a block.
struct QueryNumbers {
  alignas(Vec) std::array<float, kQueryBlock> log_sum{};
  alignas(Vec) std::array<float, kQueryBlock> delta{};  ///< d_o . o: the share of the softmax's sum
                                                        ///< in the gradient of each score
};

/// What one worker needs to go through the heads of one kv head.
struct HeadBackward {
  const AttentionArguments& forward;
  AttentionHead head;
  BlasMatrix d_o;
  Gradient d_q;
  Gradient d_k;
  Gradient d_v;
  Room room;

  [[nodiscard]] float delta_of(std::int64_t query) const {
    const float* const o = forward.o.as<float>().data() + head.o_offset + query * head.o_stride;
    const float* const gradient = d_o.data + query * d_o.stride;
    Vec dot{};
    for_vectors(forward.shape.head_size, [&](std::int64_t d, auto lanes) {
      dot += load(o + d, lanes) * load(gradient + d, lanes);
    });
    return sum_lanes(dot);
  }

  [[nodiscard]] QueryNumbers numbers_of(std::int64_t q_begin, std::int64_t q_end) const {
    const float* const log_sum = forward.log_sum.as<float>().data() + head.log_sum_offset;
    QueryNumbers numbers;
    for (std::int64_t query = q_begin; query < q_end; ++query) {
      const auto i = static_cast<std::size_t>(query - q_begin);
      numbers.log_sum[i] = log_sum[query * head.log_sum_stride];
      numbers.delta[i] = delta_of(query);
    }
    return numbers;
  }

  /// p := exp(score - log_sum) and d_scores := p (d_p - delta) / sqrt(D), in place, for a vector of
  /// queries; both 0 where a query does not see the key.
  void differentiate(const AttentionTile& tile, std::int64_t first_query,
                     const QueryNumbers& numbers) const {
    const Vec log_sum = load(numbers.log_sum.data() + first_query, Full{});
    const Vec delta = load(numbers.delta.data() + first_query, Full{});
    const float scale = score_scale(forward.shape);
    for_keys(tile, first_query, [&](std::int64_t offset, auto seen) {
      const Vec power = exp(load(room.p + offset, Full{}) - log_sum);
      const Vec probability = where_seen(seen, power, 0.0F);
      const Vec d_score = probability * (load(room.d_scores + offset, Full{}) - delta) * scale;
      store(probability, room.p + offset, Full{});
      store(d_score, room.d_scores + offset, Full{});
    });
    clear_beyond(tile, first_query, room.p);
    clear_beyond(tile, first_query, room.d_scores);
  }

  /// Adds a tile's share to d_k and d_v, and to d_q (its first tile overwrites).
  void run_tile(const AttentionTile& tile, const QueryNumbers& numbers) const {
    const std::int64_t size = forward.shape.head_size;
    multiply_keys(tile, head.k, room.q_DQ, size, room.p);
    multiply_keys(tile, head.v, room.d_o_DQ, size, room.d_scores);
    for (std::int64_t query = 0; query < tile.queries(); query += kLanes) {
      differentiate(tile, query, numbers);
    }
    sum_over_queries(tile, room.p, d_o, size, d_v.row(tile.k_begin), d_v.stride);
    sum_over_queries(tile, room.d_scores, head.q, size, d_k.row(tile.k_begin), d_k.stride);
    sum_over_keys(tile, room.d_scores, head.k, size, /*adds=*/tile.k_begin > 0,
                  d_q.row(tile.q_begin), d_q.stride);
  }

  void run() const {
    const AttentionShape& shape = forward.shape;
    for (std::int64_t q_begin = 0; q_begin < shape.queries; q_begin += kQueryBlock) {
      const std::int64_t q_end = std::min(shape.queries, q_begin + kQueryBlock);
      transpose_queries(head.q, q_begin, q_end, shape.head_size, score_scale(shape), room.q_DQ);
      transpose_queries(d_o, q_begin, q_end, shape.head_size, 1.0F, room.d_o_DQ);
      const QueryNumbers numbers = numbers_of(q_begin, q_end);
      for_key_blocks(shape, q_begin, q_end,
                     [&](const AttentionTile& tile) { run_tile(tile, numbers); });
    }
  }
};

/// All gradients of one kv head of one sequence. Its query heads follow one another, so the sums of
/// d_k and d_v have one order.
void backward_of_kv_head(const AttentionBackwardArguments& arguments, std::int64_t sequence,
                         std::int64_t kv_head, const Room& room) {
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
        .room = room};
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
  const AttentionShape& of = arguments.forward.shape;
  const WorkerRooms<float> rooms(scratch, stream.workers().size(),
                                 2 * (block_elements(of) + tile_elements(of)));
  stream.run([arguments, rooms, workers = &stream.workers()] {
    const AttentionShape& shape = arguments.forward.shape;
    workers->for_each_near(shape.sequences * shape.kv_heads, [&](std::int64_t index, int worker) {
      backward_of_kv_head(arguments, index / shape.kv_heads, index % shape.kv_heads,
                          Room(rooms.of(worker), shape));
    });
  });
}

}  // namespace softmoe::ops::cpu
