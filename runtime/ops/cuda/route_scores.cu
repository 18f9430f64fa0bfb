#include "runtime/ops/route_scores.h"

#include <cmath>
#include <numbers>

#include "runtime/ops/cuda/row_sums.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

struct NormaliseRows {
  const float* x_RC;
  const float* gain;
  float epsilon;
  float* y_RC;
  float* n_RC;
  float* scale_R;
  std::int64_t num_rows;
  int columns;
};

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) normalise_rows(NormaliseRows rows) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  const auto columns = static_cast<float>(rows.columns);
  float x[kPerLane];
  lanes.load(rows.x_RC + row * rows.columns, x);

  // Seen from the first column, so that equal logits are their mean to the last bit.
  const float first = __shfl_sync(kAllLanes, x[0], 0);
  for (float& each : x) each -= first;
  const float mean = lanes.sum([&](int slot) { return x[slot]; }) / columns;
  for (float& each : x) each -= mean;
  const float square = lanes.sum([&](int slot) { return x[slot] * x[slot]; });
  const float scale = 1 / sqrtf(square / columns + rows.epsilon);

  const float gain = rows.gain[0];
  lanes.for_each([&](int slot, int column) {
    const float n = x[slot] * scale;
    rows.n_RC[row * rows.columns + column] = n;
    rows.y_RC[row * rows.columns + column] = gain * n;
  });
  if (lane_index() == 0) rows.scale_R[row] = scale;
}

// d_x_RC may be d_y_RC: a lane reads its columns before it writes them.
struct NormaliseBackwardRows {
  const float* d_y_RC;
  const float* n_RC;
  const float* scale_R;
  const float* gain;
  float* d_x_RC;
  double* partial_B;  // of d_gain
  std::int64_t num_rows;
  int columns;
};

/// Returns the part of d_gain.
template <int kPerLane>
__device__ float normalise_row_backward(const NormaliseBackwardRows& rows, std::int64_t row) {
  const LaneColumns<kPerLane> lanes{rows.columns};
  float d_y[kPerLane];
  float n[kPerLane];
  lanes.load(rows.d_y_RC + row * rows.columns, d_y);
  lanes.load(rows.n_RC + row * rows.columns, n);
  const float sum = lanes.sum([&](int slot) { return d_y[slot]; });
  const float sum_n = lanes.sum([&](int slot) { return d_y[slot] * n[slot]; });
  const float factor = rows.gain[0] * rows.scale_R[row];
  lanes.for_each([&](int slot, int column) {
    const float common = (sum + n[slot] * sum_n) / static_cast<float>(rows.columns);
    rows.d_x_RC[row * rows.columns + column] = factor * (d_y[slot] - common);
  });
  return sum_n;
}

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) normalise_rows_backward(NormaliseBackwardRows rows) {
  const std::int64_t row = row_of_warp();
  double d_gain[1] = {};
  if (row < rows.num_rows) {
    d_gain[0] = static_cast<double>(normalise_row_backward<kPerLane>(rows, row));
  }
  write_block_sums(d_gain, rows.partial_B);
}

constexpr int kNoiseThreads = 128;
constexpr int kNormalsPerBlock = 4;  // of one block of random words

struct NoiseRows {
  float* x_RC;
  double standard_deviation;
  RandomKey key;
  std::int64_t first_index;
  std::int64_t num_rows;
  std::int64_t columns;
};

// normal_from() of runtime/base/philox.h.
__device__ void two_normals(std::uint32_t word0, std::uint32_t word1, double* normals) {
  const double radius = sqrt(-2.0 * log((word0 + 0.5) * 0x1p-32));
  const double angle = 2.0 * std::numbers::pi * uniform_from(word1);
  normals[0] = radius * cos(angle);
  normals[1] = radius * sin(angle);
}

// One thread for one block of random words of a row.
__global__ void __launch_bounds__(kNoiseThreads) add_noise(NoiseRows rows) {
  const std::int64_t blocks_per_row = (rows.columns + kNormalsPerBlock - 1) / kNormalsPerBlock;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kNoiseThreads + threadIdx.x;
  const std::int64_t row = thread / blocks_per_row;
  if (row >= rows.num_rows) return;
  const std::int64_t block = thread % blocks_per_row;
  const auto words = philox(rows.key, static_cast<std::uint64_t>(rows.first_index + row),
                            static_cast<std::uint32_t>(block));
  double normals[kNormalsPerBlock];
  two_normals(words[0], words[1], normals);
  two_normals(words[2], words[3], normals + 2);
  for (int i = 0; i < kNormalsPerBlock; ++i) {
    const std::int64_t column = block * kNormalsPerBlock + i;
    if (column < rows.columns) {
      rows.x_RC[row * rows.columns + column] +=
          static_cast<float>(rows.standard_deviation * normals[i]);
    }
  }
}

}  // namespace

void route_normalise(const RouteNormaliseArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  require_f32("route_normalise", arguments.x_RC.dtype());
  const NormaliseRows rows{.x_RC = arguments.x_RC.as<float>().data(),
                           .gain = arguments.gain.as<float>().data(),
                           .epsilon = static_cast<float>(arguments.epsilon),
                           .y_RC = arguments.y_RC.as<float>().data(),
                           .n_RC = arguments.n_RC.as<float>().data(),
                           .scale_R = arguments.scale_R.as<float>().data(),
                           .num_rows = arguments.x_RC.dim(0),
                           .columns = static_cast<int>(arguments.x_RC.dim(1))};
  visit_columns_per_lane("route_normalise", rows.columns, [&]<int kPerLane>() {
    launch(normalise_rows<kPerLane>, warp_per_row(rows.num_rows), stream, rows);
  });
}

void route_normalise_backward(const RouteNormaliseBackwardArguments& arguments, Arena& scratch,
                              Stream& stream) {
  require_f32("route_normalise_backward", arguments.n_RC.dtype());
  const ArenaScope scope(scratch);
  softmoe::cuda::LaunchShape shape = warp_per_row(arguments.n_RC.dim(0));
  shape.shared_bytes = block_sums_bytes(1);
  const View<double> partial_B = scratch.push<double>(shape.blocks);
  const NormaliseBackwardRows rows{.d_y_RC = arguments.d_y_RC.as<float>().data(),
                                   .n_RC = arguments.n_RC.as<float>().data(),
                                   .scale_R = arguments.scale_R.as<float>().data(),
                                   .gain = arguments.gain.as<float>().data(),
                                   .d_x_RC = arguments.d_x_RC.as<float>().data(),
                                   .partial_B = partial_B.data(),
                                   .num_rows = arguments.n_RC.dim(0),
                                   .columns = static_cast<int>(arguments.n_RC.dim(1))};
  visit_columns_per_lane("route_normalise_backward", rows.columns, [&]<int kPerLane>() {
    launch(normalise_rows_backward<kPerLane>, shape, stream, rows);
  });
  add_block_sums(partial_B, arguments.d_gain.as<float>(), stream);
}

void route_noise(const RouteNoiseArguments& arguments, Stream& stream) {
  require_f32("route_noise", arguments.x_RC.dtype());
  const NoiseRows rows{.x_RC = arguments.x_RC.as<float>().data(),
                       .standard_deviation = arguments.standard_deviation,
                       .key = arguments.key,
                       .first_index = arguments.first_index,
                       .num_rows = arguments.x_RC.dim(0),
                       .columns = arguments.x_RC.dim(1)};
  const std::int64_t threads = rows.num_rows * blocks_for(rows.columns, kNormalsPerBlock);
  launch(add_noise, {.blocks = blocks_for(threads, kNoiseThreads), .threads = kNoiseThreads},
         stream, rows);
}

}  // namespace softmoe::ops::cuda
