#include "runtime/ops/lapsum.h"

#include "runtime/ops/cuda/lapsum_warp.h"
#include "runtime/ops/cuda/router_values.h"
#include "runtime/ops/cuda/row_sums.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

struct LapsumRows {
  const float* scores_RC;
  float* signed_f_RC;
  float* anchor_R2;
  std::int64_t num_rows;
  int columns;
  float alpha;
};

[[nodiscard]] LapsumRows rows_of(const LapsumArguments& arguments) {
  return {.scores_RC = arguments.scores_RC.as<float>().data(),
          .signed_f_RC = arguments.signed_f_RC.as<float>().data(),
          .anchor_R2 = arguments.anchor_R2.as<float>().data(),
          .num_rows = arguments.scores_RC.dim(0),
          .columns = static_cast<int>(arguments.scores_RC.dim(1)),
          .alpha = static_cast<float>(arguments.alpha)};
}

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) lapsum_rows(LapsumRows rows, SplitMass k) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, scores);

  const Anchor anchor = solve_lapsum(lanes, scores, k, rows.alpha);

  float* signed_f_C = rows.signed_f_RC + row * rows.columns;
  lanes.for_each([&](int slot, int column) {
    const float u = distance_to_anchor(scores[slot], anchor, rows.alpha);
    signed_f_C[column] = signed_f_of(expf(-fabsf(u)) / 2, u <= 0);
  });
  if (lane_index() == 0) {
    rows.anchor_R2[2 * row] = anchor.score;
    rows.anchor_R2[2 * row + 1] = anchor.delta;
  }
}

// d_p_RC may be d_scores_RC: a lane reads its columns before it writes them.
struct VjpGradients {
  const float* d_p_RC;
  float* d_scores_RC;
  double* partial_2B;  // of d_k and d_alpha
};

struct VjpSums {
  float d_k;
  float d_alpha;
};

template <int kPerLane>
__device__ VjpSums lapsum_vjp_row(const LapsumRows& rows, const VjpGradients& gradients,
                                  std::int64_t row) {
  const LaneColumns<kPerLane> lanes{rows.columns};
  const Anchor anchor{.score = rows.anchor_R2[2 * row], .delta = rows.anchor_R2[2 * row + 1]};
  float u[kPerLane];
  float v[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, u);
  lanes.load(gradients.d_p_RC + row * rows.columns, v);
  for (float& each : u) each = distance_to_anchor(each, anchor, rows.alpha);

  // q is the softmax of -|u|, shifted so that it survives where f itself underflows.
  const float least = lanes.least([&](int slot) { return fabsf(u[slot]); });
  float share[kPerLane] = {};
  lanes.for_each([&](int slot, int) { share[slot] = expf(least - fabsf(u[slot])); });
  const float weight = lanes.sum([&](int slot) { return share[slot]; });
  const float mean_v = lanes.sum([&](int slot) { return share[slot] * v[slot]; }) / weight;
  const float mean_u = lanes.sum([&](int slot) { return share[slot] * u[slot]; }) / weight;

  const float* signed_f_C = rows.signed_f_RC + row * rows.columns;
  float* d_scores_C = gradients.d_scores_RC + row * rows.columns;
  float d_alpha = 0;
  lanes.for_each([&](int slot, int column) {
    const float slope = fabsf(signed_f_C[column]) / rows.alpha;
    if (slope > 0) d_alpha -= slope * v[slot] * (u[slot] - mean_u);
    d_scores_C[column] = slope * (v[slot] - mean_v);
  });
  return {.d_k = mean_v, .d_alpha = warp_sum(d_alpha)};
}

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads, kRoomyBlocks)
    lapsum_vjp_rows(LapsumRows rows, VjpGradients gradients) {
  const std::int64_t row = row_of_warp();
  double sums[2] = {};
  if (row < rows.num_rows) {
    const VjpSums own = lapsum_vjp_row<kPerLane>(rows, gradients, row);
    sums[0] = static_cast<double>(own.d_k);
    sums[1] = static_cast<double>(own.d_alpha);
  }
  write_block_sums(sums, gradients.partial_2B);
}

}  // namespace

void lapsum(const LapsumArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  require_f32("lapsum", arguments.scores_RC.dtype());
  const LapsumRows rows = rows_of(arguments);
  visit_columns_per_lane("lapsum", rows.columns, [&]<int kPerLane>() {
    launch(lapsum_rows<kPerLane>, warp_per_row(rows.num_rows), stream, rows,
           SplitMass(arguments.k, rows.columns));
  });
}

void lapsum_vjp(const LapsumVjpArguments& arguments, Arena& scratch, Stream& stream) {
  require_f32("lapsum_vjp", arguments.d_p_RC.dtype());
  const ArenaScope scope(scratch);
  const LapsumRows rows = rows_of(arguments.forward);
  softmoe::cuda::LaunchShape shape = warp_per_row(rows.num_rows);
  shape.shared_bytes = block_sums_bytes(2);
  const View<double> partial_2B = scratch.push<double>(2 * shape.blocks);
  const VjpGradients gradients{.d_p_RC = arguments.d_p_RC.as<float>().data(),
                               .d_scores_RC = arguments.d_scores_RC.as<float>().data(),
                               .partial_2B = partial_2B.data()};
  visit_columns_per_lane("lapsum_vjp", rows.columns, [&]<int kPerLane>() {
    launch(lapsum_vjp_rows<kPerLane>, shape, stream, rows, gradients);
  });
  add_block_sums(partial_2B.part(0, shape.blocks), arguments.d_k, stream);
  add_block_sums(partial_2B.part(shape.blocks, 2 * shape.blocks), arguments.d_alpha, stream);
}

}  // namespace softmoe::ops::cuda
