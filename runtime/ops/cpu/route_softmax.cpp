#include "runtime/ops/route_softmax.h"

#include "runtime/ops/cpu/route_lanes.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

using PenaltySums = std::array<double, kNumPenaltySums>;

struct LaneSoftmax {
  Lanes largest;
  Lanes sum{};
  Lanes sum_below{};  // without the largest
};

// weights_C := e^(score - largest).
LaneSoftmax weigh(const Lanes* scores_C, std::int64_t columns, Lanes* weights_C) {
  LaneSoftmax result{.largest = all_lanes(-std::numeric_limits<float>::infinity())};
  for (std::int64_t i = 0; i < columns; ++i) {
    result.largest = lane_max(result.largest, scores_C[i]);
  }
  for (std::int64_t i = 0; i < columns; ++i) {
    const Lanes weight = lane_exp(scores_C[i] - result.largest);
    result.sum += weight;
    result.sum_below += scores_C[i] < result.largest ? weight : Lanes{};
    weights_C[i] = weight;
  }
  return result;
}

void softmax_block(ConstTensorView scores_RC, TensorView signed_f_RC, const RowBlock& block,
                   Lanes* scores_C) {
  load_rows(scores_RC.as<float>().data(), block, scores_C);
  const LaneSoftmax softmax = weigh(scores_C, block.columns, scores_C);
  // Only the largest score can have p > 1/2; 1 - p is then summed over the others, not subtracted.
  const Lanes beyond_half = softmax.sum_below / softmax.sum;
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const Lanes p = scores_C[i] / softmax.sum;
    scores_C[i] = p > 0.5F ? beyond_half : -p;
  }
  store_rows(scores_C, block, signed_f_RC.as<float>().data());
}

Lanes probability(Lanes signed_f) {
  const LaneInts at_most_half = std::bit_cast<LaneInts>(signed_f) < 0;
  return at_most_half ? -signed_f : 1.0F - signed_f;
}

void softmax_vjp_block(const RouteSoftmaxVjpArguments& arguments, const RowBlock& block, Lanes* p_C,
                       Lanes* v_C) {
  load_rows(arguments.signed_f_RC.as<float>().data(), block, p_C);
  load_rows(arguments.d_p_RC.as<float>().data(), block, v_C);
  const Lanes mean = sum_columns(block.columns, [p_C, v_C](std::int64_t i) {
    p_C[i] = probability(p_C[i]);
    return p_C[i] * v_C[i];
  });
  for (std::int64_t i = 0; i < block.columns; ++i) v_C[i] = p_C[i] * (v_C[i] - mean);
  store_rows(v_C, block, arguments.d_scores_RC.as<float>().data());
}

struct PenaltyRoom {
  Lanes* scores_C;
  Lanes* weights_C;
};

Lanes mean_weight(const RoutePenaltyArguments& arguments, const LaneSoftmax& softmax,
                  const Lanes* weights_C) {
  const Lanes mean = sum_columns(arguments.weight_C.size(), [&](std::int64_t i) {
    return weights_C[i] * arguments.weight_C[i];
  });
  return mean / softmax.sum;
}

PenaltySums penalty_block(const RoutePenaltyArguments& arguments, const RowBlock& block,
                          const PenaltyRoom& room) {
  load_rows(arguments.scores_RC.as<float>().data(), block, room.scores_C);
  const LaneSoftmax softmax = weigh(room.scores_C, block.columns, room.weights_C);
  const Lanes log_weights = lane_log(softmax.sum);
  const Lanes mean_distance = sum_columns(block.columns, [&](std::int64_t i) {
    return room.weights_C[i] * (softmax.largest - room.scores_C[i]);
  });
  const Lanes entropy = log_weights + mean_distance / softmax.sum;
  const Lanes balance = mean_weight(arguments, softmax, room.weights_C);
  const Lanes log_sum = softmax.largest + log_weights;
  PenaltySums sums{};
  for (int lane = 0; lane < block.count; ++lane) {
    const auto z = static_cast<double>(log_sum[lane]);
    sums[static_cast<int>(PenaltySum::balance)] += static_cast<double>(balance[lane]);
    sums[static_cast<int>(PenaltySum::z)] += arguments.z_coefficient * z * z;
    sums[static_cast<int>(PenaltySum::entropy)] += static_cast<double>(entropy[lane]);
  }
  return sums;
}

void penalty_backward_block(const RoutePenaltyArguments& arguments, TensorView d_scores_RC,
                            const RowBlock& block, const PenaltyRoom& room) {
  load_rows(arguments.scores_RC.as<float>().data(), block, room.scores_C);
  const LaneSoftmax softmax = weigh(room.scores_C, block.columns, room.weights_C);
  const Lanes log_sum = softmax.largest + lane_log(softmax.sum);
  const Lanes common = log_sum * static_cast<float>(2 * arguments.z_coefficient) -
                       mean_weight(arguments, softmax, room.weights_C);
  Lanes* d_scores_C = room.scores_C;  // the scores themselves are not needed any more
  float* d_scores = d_scores_RC.as<float>().data();
  load_rows(d_scores, block, d_scores_C);
  const Lanes inverse_sum = 1.0F / softmax.sum;
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const float weight = arguments.weight_C.empty() ? 0.0F : arguments.weight_C[i];
    d_scores_C[i] += room.weights_C[i] * inverse_sum * (common + weight);
  }
  store_rows(d_scores_C, block, d_scores);
}

}  // namespace

void route_softmax(ConstTensorView scores_RC, TensorView signed_f_RC, Arena& scratch,
                   Stream& stream) {
  if (scores_RC.dtype() != DType::f32) {
    reference::route_softmax(scores_RC, signed_f_RC, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = scores_RC.dim(0);
  const std::int64_t columns = scores_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), columns);
  stream.run([scores_RC, signed_f_RC, rows, columns, rooms, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      softmax_block(scores_RC, signed_f_RC, block, rooms.of(worker));
    });
  });
}

void route_softmax_vjp(const RouteSoftmaxVjpArguments& arguments, Arena& scratch, Stream& stream) {
  if (arguments.d_p_RC.dtype() != DType::f32) {
    reference::route_softmax_vjp(arguments, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.d_p_RC.dim(0);
  const std::int64_t columns = arguments.d_p_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), 2 * columns);
  stream.run([arguments, rows, columns, rooms, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      Lanes* own = rooms.of(worker);
      softmax_vjp_block(arguments, block, own, own + columns);
    });
  });
}

void route_penalty(const RoutePenaltyArguments& arguments, View<double> sums, Arena& scratch,
                   Stream& stream) {
  if (arguments.scores_RC.dtype() != DType::f32) {
    reference::route_penalty(arguments, sums, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.scores_RC.dim(0);
  const std::int64_t columns = arguments.scores_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), 2 * columns);
  const View<PenaltySums> partial = scratch.push<PenaltySums>(num_row_blocks(rows));
  stream.run([arguments, sums, rows, columns, rooms, partial, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      Lanes* own = rooms.of(worker);
      partial[block.index()] =
          penalty_block(arguments, block, {.scores_C = own, .weights_C = own + columns});
    });
    for (const PenaltySums& block : partial.span()) {
      for (int i = 0; i < kNumPenaltySums; ++i) sums[i] += block[static_cast<std::size_t>(i)];
    }
  });
}

void route_penalty_backward(const RoutePenaltyArguments& arguments, TensorView d_scores_RC,
                            Arena& scratch, Stream& stream) {
  if (arguments.scores_RC.dtype() != DType::f32) {
    reference::route_penalty_backward(arguments, d_scores_RC, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.scores_RC.dim(0);
  const std::int64_t columns = arguments.scores_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), 2 * columns);
  stream.run([arguments, d_scores_RC, rows, columns, rooms, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      Lanes* own = rooms.of(worker);
      penalty_backward_block(arguments, d_scores_RC, block,
                             {.scores_C = own, .weights_C = own + columns});
    });
  });
}

}  // namespace softmoe::ops::cpu
