#include "runtime/ops/lapsum.h"

#include "runtime/ops/cpu/lapsum_lanes.h"
#include "runtime/ops/cpu/route_lanes.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

Lanes signed_f(Lanes u) {
  const Lanes f = lane_exp(-lane_abs(u)) * 0.5F;
  return u > 0.0F ? f : -f;
}

void lapsum_block(const LapsumArguments& arguments, const LaneMass& k, const RowBlock& block,
                  Lanes* scores_C) {
  const float inverse_alpha = static_cast<float>(1 / arguments.alpha);
  load_rows(arguments.scores_RC.as<float>().data(), block, scores_C);
  const LaneSolution solution = solve_lapsum(scores_C, block.columns, k, inverse_alpha);
  for (std::int64_t i = 0; i < block.columns; ++i) {
    scores_C[i] = signed_f((scores_C[i] - solution.anchor) * inverse_alpha + solution.delta);
  }
  store_rows(scores_C, block, arguments.signed_f_RC.as<float>().data());
  float* anchors = arguments.anchor_R2.as<float>().data();
  store_per_row(solution.anchor, block, anchors, 2);
  store_per_row(solution.delta, block, anchors + 1, 2);
}

// Columns of sixteen rows, as one worker holds them.
struct VjpRoom {
  Lanes* f_C;
  Lanes* v_C;
  Lanes* u_C;
};

struct VjpMeans {
  Lanes v{};
  Lanes u{};
};

// Means under q = softmax(-|u|), by exponentials: right also where every f underflows.
VjpMeans shifted_means(const LapsumVjpArguments& arguments, const RowBlock& block,
                       const VjpRoom& room) {
  const float inverse_alpha = static_cast<float>(1 / arguments.forward.alpha);
  const float* anchors = arguments.forward.anchor_R2.as<float>().data();
  const Lanes anchor = load_per_row(anchors, 2, block);
  const Lanes delta = load_per_row(anchors + 1, 2, block);
  load_rows(arguments.forward.scores_RC.as<float>().data(), block, room.u_C);
  Lanes least = all_lanes(std::numeric_limits<float>::infinity());
  for (std::int64_t i = 0; i < block.columns; ++i) {
    room.u_C[i] = (room.u_C[i] - anchor) * inverse_alpha + delta;
    least = lane_min(least, lane_abs(room.u_C[i]));
  }
  Lanes weight{};
  VjpMeans sum;
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const Lanes share = lane_exp(least - lane_abs(room.u_C[i]));
    weight += share;
    sum.v += share * room.v_C[i];
    sum.u += share * room.u_C[i];
  }
  return {.v = sum.v / weight, .u = sum.u / weight};
}

double sum_of_rows(Lanes value, const RowBlock& block) {
  double sum = 0;
  for (int lane = 0; lane < block.count; ++lane) sum += static_cast<double>(value[lane]);
  return sum;
}

struct BlockSums {
  double d_k;
  double d_alpha;
};

BlockSums lapsum_vjp_block(const LapsumVjpArguments& arguments, const RowBlock& block,
                           const VjpRoom& room) {
  constexpr float kTinyWeight = 1e-30F;
  const float inverse_alpha = static_cast<float>(1 / arguments.forward.alpha);
  load_rows(arguments.forward.signed_f_RC.as<float>().data(), block, room.f_C);
  load_rows(arguments.d_p_RC.as<float>().data(), block, room.v_C);
  const Lanes weight = sum_columns(block.columns, [&](std::int64_t i) {
    room.f_C[i] = lane_abs(room.f_C[i]);
    return room.f_C[i];
  });
  const Lanes weighted_v =
      sum_columns(block.columns, [&](std::int64_t i) { return room.f_C[i] * room.v_C[i]; });
  Lanes mean_v = weighted_v / weight;
  Lanes d_alpha{};
  const LaneInts tiny = weight < kTinyWeight;
  const bool wants_alpha = !arguments.d_alpha.empty();
  if (wants_alpha || any_lane(tiny)) {
    const VjpMeans means = shifted_means(arguments, block, room);
    mean_v = tiny ? means.v : mean_v;
    for (std::int64_t i = 0; wants_alpha && i < block.columns; ++i) {
      d_alpha -= room.f_C[i] * inverse_alpha * room.v_C[i] * (room.u_C[i] - means.u);
    }
  }
  for (std::int64_t i = 0; i < block.columns; ++i) {
    room.v_C[i] = room.f_C[i] * inverse_alpha * (room.v_C[i] - mean_v);
  }
  store_rows(room.v_C, block, arguments.d_scores_RC.as<float>().data());
  return {.d_k = sum_of_rows(mean_v, block), .d_alpha = sum_of_rows(d_alpha, block)};
}

}  // namespace

void lapsum(const LapsumArguments& arguments, Arena& scratch, Stream& stream) {
  if (arguments.scores_RC.dtype() != DType::f32) {
    reference::lapsum(arguments, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.scores_RC.dim(0);
  const std::int64_t columns = arguments.scores_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), columns);
  stream.run([arguments, rows, columns, rooms, &workers] {
    const LaneMass k(arguments.k, columns);
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      lapsum_block(arguments, k, block, rooms.of(worker));
    });
  });
}

void lapsum_vjp(const LapsumVjpArguments& arguments, Arena& scratch, Stream& stream) {
  if (arguments.d_p_RC.dtype() != DType::f32) {
    reference::lapsum_vjp(arguments, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.d_p_RC.dim(0);
  const std::int64_t columns = arguments.d_p_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), 3 * columns);
  const View<BlockSums> sums = scratch.push<BlockSums>(num_row_blocks(rows));
  stream.run([arguments, rows, columns, rooms, sums, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      Lanes* own = rooms.of(worker);
      sums[block.index()] = lapsum_vjp_block(
          arguments, block, {.f_C = own, .v_C = own + columns, .u_C = own + 2 * columns});
    });
    for (const BlockSums& block : sums.span()) {
      arguments.d_k[0] += block.d_k;
      if (!arguments.d_alpha.empty()) arguments.d_alpha[0] += block.d_alpha;
    }
  });
}

}  // namespace softmoe::ops::cpu
