#include "runtime/ops/route_softmax.h"

#include "runtime/ops/cuda/router_values.h"
#include "runtime/ops/cuda/row_sums.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

/// e^(score - largest) of a row, and what they sum to.
template <int kPerLane>
struct RowWeights {
  float weight[kPerLane] = {};
  float largest;
  float sum;

  __device__ RowWeights(const LaneColumns<kPerLane>& lanes, const float (&scores)[kPerLane])
      : largest(lanes.largest([&](int slot) { return scores[slot]; })) {
    lanes.for_each([&](int slot, int) { weight[slot] = expf(scores[slot] - largest); });
    sum = lanes.sum([&](int slot) { return weight[slot]; });
  }
  [[nodiscard]] __device__ float p(int slot) const { return weight[slot] / sum; }
  [[nodiscard]] __device__ float log_sum() const { return largest + logf(sum); }
};

struct SoftmaxRows {
  const float* scores_RC;
  float* signed_f_RC;
  std::int64_t num_rows;
  int columns;
};

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) softmax_rows(SoftmaxRows rows) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, scores);
  const RowWeights<kPerLane> softmax(lanes, scores);
  // Only the largest score can have p > 1/2; 1 - p is then summed over the others, not subtracted.
  const float sum_below = lanes.sum(
      [&](int slot) { return scores[slot] < softmax.largest ? softmax.weight[slot] : 0.0F; });
  float* signed_f_C = rows.signed_f_RC + row * rows.columns;
  lanes.for_each([&](int slot, int column) {
    const float p = softmax.p(slot);
    signed_f_C[column] =
        p <= 0.5F ? signed_f_of(p, true) : signed_f_of(sum_below / softmax.sum, false);
  });
}

// d_p_RC may be d_scores_RC: a lane reads its columns before it writes them.
struct SoftmaxVjpRows {
  const float* signed_f_RC;
  const float* d_p_RC;
  float* d_scores_RC;
  std::int64_t num_rows;
  int columns;
};

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) softmax_vjp_rows(SoftmaxVjpRows rows) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  float p[kPerLane];
  float v[kPerLane];
  lanes.load(rows.signed_f_RC + row * rows.columns, p);
  lanes.load(rows.d_p_RC + row * rows.columns, v);
  for (float& each : p) each = probability_of(each);
  const float mean = lanes.sum([&](int slot) { return p[slot] * v[slot]; });
  lanes.for_each([&](int slot, int column) {
    rows.d_scores_RC[row * rows.columns + column] = p[slot] * (v[slot] - mean);
  });
}

struct PenaltyRows {
  const float* scores_RC;
  const float* weight_C;  // null: no balance loss
  double z_coefficient;
  std::int64_t num_rows;
  int columns;
};

[[nodiscard]] PenaltyRows rows_of(const RoutePenaltyArguments& arguments) {
  return {.scores_RC = arguments.scores_RC.as<float>().data(),
          .weight_C = arguments.weight_C.empty() ? nullptr : arguments.weight_C.data(),
          .z_coefficient = arguments.z_coefficient,
          .num_rows = arguments.scores_RC.dim(0),
          .columns = static_cast<int>(arguments.scores_RC.dim(1))};
}

template <int kPerLane>
__device__ void load_weights(const PenaltyRows& rows, const LaneColumns<kPerLane>& lanes,
                             float (&weights)[kPerLane]) {
  for (float& weight : weights) weight = 0;
  if (rows.weight_C != nullptr) lanes.load(rows.weight_C, weights);
}

template <int kPerLane>
__device__ void add_row_penalty(const PenaltyRows& rows, std::int64_t row,
                                double (&sums)[kNumPenaltySums]) {
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  float weights[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, scores);
  load_weights(rows, lanes, weights);
  const RowWeights<kPerLane> softmax(lanes, scores);
  const float balance = lanes.sum([&](int slot) { return weights[slot] * softmax.p(slot); });
  const double mean_score =
      lanes.sum([&](int slot) { return static_cast<double>(softmax.p(slot) * scores[slot]); });
  const auto log_sum = static_cast<double>(softmax.log_sum());
  sums[static_cast<int>(PenaltySum::balance)] = static_cast<double>(balance);
  sums[static_cast<int>(PenaltySum::z)] = rows.z_coefficient * log_sum * log_sum;
  sums[static_cast<int>(PenaltySum::entropy)] = log_sum - mean_score;
}

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) penalty_rows(PenaltyRows rows, double* partial_SB) {
  const std::int64_t row = row_of_warp();
  double sums[kNumPenaltySums] = {};
  if (row < rows.num_rows) add_row_penalty<kPerLane>(rows, row, sums);
  write_block_sums(sums, partial_SB);
}

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads)
    penalty_rows_backward(PenaltyRows rows, float* d_scores_RC) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  float weights[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, scores);
  load_weights(rows, lanes, weights);
  const RowWeights<kPerLane> softmax(lanes, scores);
  const float mean = lanes.sum([&](int slot) { return weights[slot] * softmax.p(slot); });
  const float d_log_sum = static_cast<float>(2 * rows.z_coefficient) * softmax.log_sum();
  lanes.for_each([&](int slot, int column) {
    d_scores_RC[row * rows.columns + column] +=
        softmax.p(slot) * (weights[slot] - mean + d_log_sum);
  });
}

}  // namespace

void route_softmax(ConstTensorView scores_RC, TensorView signed_f_RC, Arena& /*scratch*/,
                   Stream& stream) {
  require_f32("route_softmax", scores_RC.dtype());
  const SoftmaxRows rows{.scores_RC = scores_RC.as<float>().data(),
                         .signed_f_RC = signed_f_RC.as<float>().data(),
                         .num_rows = scores_RC.dim(0),
                         .columns = static_cast<int>(scores_RC.dim(1))};
  visit_columns_per_lane("route_softmax", rows.columns, [&]<int kPerLane>() {
    launch(softmax_rows<kPerLane>, warp_per_row(rows.num_rows), stream, rows);
  });
}

void route_softmax_vjp(const RouteSoftmaxVjpArguments& arguments, Arena& /*scratch*/,
                       Stream& stream) {
  require_f32("route_softmax_vjp", arguments.d_p_RC.dtype());
  const SoftmaxVjpRows rows{.signed_f_RC = arguments.signed_f_RC.as<float>().data(),
                            .d_p_RC = arguments.d_p_RC.as<float>().data(),
                            .d_scores_RC = arguments.d_scores_RC.as<float>().data(),
                            .num_rows = arguments.d_p_RC.dim(0),
                            .columns = static_cast<int>(arguments.d_p_RC.dim(1))};
  visit_columns_per_lane("route_softmax_vjp", rows.columns, [&]<int kPerLane>() {
    launch(softmax_vjp_rows<kPerLane>, warp_per_row(rows.num_rows), stream, rows);
  });
}

void route_penalty(const RoutePenaltyArguments& arguments, View<double> sums, Arena& scratch,
                   Stream& stream) {
  require_f32("route_penalty", arguments.scores_RC.dtype());
  const ArenaScope scope(scratch);
  const PenaltyRows rows = rows_of(arguments);
  softmoe::cuda::LaunchShape shape = warp_per_row(rows.num_rows);
  shape.shared_bytes = block_sums_bytes(kNumPenaltySums);
  const View<double> partial_SB = scratch.push<double>(kNumPenaltySums * shape.blocks);
  visit_columns_per_lane("route_penalty", rows.columns, [&]<int kPerLane>() {
    launch(penalty_rows<kPerLane>, shape, stream, rows, partial_SB.data());
  });
  add_block_sums(partial_SB, sums, stream);
}

void route_penalty_backward(const RoutePenaltyArguments& arguments, TensorView d_scores_RC,
                            Arena& /*scratch*/, Stream& stream) {
  require_f32("route_penalty_backward", arguments.scores_RC.dtype());
  const PenaltyRows rows = rows_of(arguments);
  float* d_scores = d_scores_RC.as<float>().data();
  visit_columns_per_lane("route_penalty_backward", rows.columns, [&]<int kPerLane>() {
    launch(penalty_rows_backward<kPerLane>, warp_per_row(rows.num_rows), stream, rows, d_scores);
  });
}

}  // namespace softmoe::ops::cuda
