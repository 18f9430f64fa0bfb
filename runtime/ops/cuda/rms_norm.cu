#include "runtime/ops/rms_norm.h"

#include <cmath>

#include "runtime/ops/cuda/row_block.h"
#include "runtime/ops/cuda/storage.h"
#include "runtime/ops/cuda/unit.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;
using softmoe::cuda::LaunchShape;
using softmoe::cuda::shared_memory;

namespace {

template <class T>
struct Forward {
  const T* x;
  const T* gain;
  T* y;  ///< may be x: a thread writes only what it alone reads
  float* scale;
  std::int64_t hidden;
  float epsilon;
};

template <class T, Access kAccess>
__global__ void __launch_bounds__(kMaxRowThreads) rms_norm_kernel(Forward<T> forward) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t hidden = forward.hidden;
  const T* const x_of_row = forward.x + row * hidden;

  float squares = 0;
  for (std::int64_t unit = threadIdx.x; unit * kUnit<T> < hidden; unit += blockDim.x) {
    const UnitValues<T> x = load_unit<kAccess>(x_of_row, unit, hidden);
    for (int i = 0; i < kUnit<T>; ++i) squares = fmaf(x.at[i], x.at[i], squares);
  }
  const float mean = block_sum(squares) / static_cast<float>(hidden);
  const float scale = 1 / sqrtf(mean + forward.epsilon);
  if (threadIdx.x == 0) forward.scale[row] = scale;

  for (std::int64_t unit = threadIdx.x; unit * kUnit<T> < hidden; unit += blockDim.x) {
    UnitValues<T> values = load_unit<kAccess>(x_of_row, unit, hidden);
    const UnitValues<T> gain = load_unit<kAccess>(forward.gain, unit, hidden);
    for (int i = 0; i < kUnit<T>; ++i) values.at[i] *= scale * gain.at[i];
    store_unit<kAccess>(forward.y + row * hidden, unit, hidden, values);
  }
}

template <class T>
struct Backward {
  const T* d_y;
  const T* x;
  const T* gain;
  const float* scale;
  T* d_x;
  T* d_gain;
  std::int64_t rows;
  std::int64_t hidden;
  float beta;
};

/// With g = gain * d_y: d_x += r g - x r^3 mean(x g), since dr/dx = -r^3 x / H.
template <class T, Access kAccess>
__global__ void __launch_bounds__(kMaxRowThreads) input_gradient_kernel(Backward<T> backward) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t hidden = backward.hidden;
  const T* const x_of_row = backward.x + row * hidden;
  const T* const d_y_of_row = backward.d_y + row * hidden;
  const float scale = backward.scale[row];

  float dot = 0;
  for (std::int64_t unit = threadIdx.x; unit * kUnit<T> < hidden; unit += blockDim.x) {
    const UnitValues<T> x = load_unit<kAccess>(x_of_row, unit, hidden);
    const UnitValues<T> d_y = load_unit<kAccess>(d_y_of_row, unit, hidden);
    const UnitValues<T> gain = load_unit<kAccess>(backward.gain, unit, hidden);
    for (int i = 0; i < kUnit<T>; ++i) dot = fmaf(x.at[i] * gain.at[i], d_y.at[i], dot);
  }
  const float along_x = scale * scale * scale * block_sum(dot) / static_cast<float>(hidden);

  T* const d_x_of_row = backward.d_x + row * hidden;
  for (std::int64_t unit = threadIdx.x; unit * kUnit<T> < hidden; unit += blockDim.x) {
    const UnitValues<T> x = load_unit<kAccess>(x_of_row, unit, hidden);
    const UnitValues<T> d_y = load_unit<kAccess>(d_y_of_row, unit, hidden);
    const UnitValues<T> gain = load_unit<kAccess>(backward.gain, unit, hidden);
    UnitValues<T> d_x = load_unit<kAccess>(d_x_of_row, unit, hidden);
    for (int i = 0; i < kUnit<T>; ++i) {
      const float without_x = fmaf(scale * gain.at[i], d_y.at[i], d_x.at[i]);
      d_x.at[i] = fmaf(-along_x, x.at[i], without_x);
    }
    store_unit<kAccess>(d_x_of_row, unit, hidden, d_x);
  }
}

constexpr int kGainThreads = 512;

/// A block sums as many columns as 32 bytes hold, the least that memory hands out, over all rows.
constexpr int kGainUnits = 2;
constexpr int kGainRowStep = kGainThreads / kGainUnits;

// A thread sums a unit of columns over every kGainRowStep-th row; then pairs of threads are summed,
// pairs of pairs, and so on.
template <class T, Access kAccess>
__global__ void __launch_bounds__(kGainThreads) gain_gradient_kernel(Backward<T> backward) {
  float* const sum_of_thread = shared_memory<float>();  // [unit's columns][threads]
  const std::int64_t hidden = backward.hidden;
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t unit = std::int64_t{blockIdx.x} * kGainUnits + thread % kGainUnits;
  const std::int64_t first_column = unit * kUnit<T>;

  float sum[kUnit<T>] = {};
  for (std::int64_t row = thread / kGainUnits; first_column < hidden && row < backward.rows;
       row += kGainRowStep) {
    const UnitValues<T> d_y = load_unit<kAccess>(backward.d_y + row * hidden, unit, hidden);
    const UnitValues<T> x = load_unit<kAccess>(backward.x + row * hidden, unit, hidden);
    const float scale = backward.scale[row];
    for (int i = 0; i < kUnit<T>; ++i) sum[i] = fmaf(d_y.at[i] * x.at[i], scale, sum[i]);
  }
  for (int i = 0; i < kUnit<T>; ++i) sum_of_thread[i * kGainThreads + thread] = sum[i];
  for (int half = kGainThreads / 2; half >= kGainUnits; half /= 2) {
    __syncthreads();
    for (int i = 0; thread < half && i < kUnit<T>; ++i) {
      float* const sums = sum_of_thread + i * kGainThreads;
      sums[thread] += sums[thread + half];
    }
  }
  if (thread >= kGainUnits) return;
  for (int i = 0; i < kUnit<T> && first_column + i < hidden; ++i) {
    // A beta of 0 overwrites: what was there may be NaN.
    float total = sum_of_thread[i * kGainThreads + thread];
    T& d_gain = backward.d_gain[first_column + i];
    if (backward.beta != 0) total = fmaf(backward.beta, static_cast<float>(d_gain), total);
    d_gain = static_cast<T>(total);
  }
}

}  // namespace

void rms_norm(ConstTensorView x_TH, ConstTensorView gain_H, double epsilon, TensorView y_TH,
              TensorView scale_T, Stream& stream) {
  visit_storage("rms_norm", x_TH.dtype(), [&]<class T>() {
    const Forward<T> forward{.x = x_TH.as<T>().data(),
                             .gain = gain_H.as<T>().data(),
                             .y = y_TH.as<T>().data(),
                             .scale = scale_T.as<float>().data(),
                             .hidden = x_TH.dim(1),
                             .epsilon = static_cast<float>(epsilon)};
    const bool in_units = access_to(forward.hidden * size_of(x_TH.dtype()),
                                    {forward.x, forward.gain, forward.y}) == Access::units;
    launch(in_units ? &rms_norm_kernel<T, Access::units> : &rms_norm_kernel<T, Access::elements>,
           block_per_row(x_TH.dim(0), units_of(forward.hidden, kUnit<T>)), stream, forward);
  });
}

void rms_norm_backward(const RmsNormBackwardArguments& arguments, Stream& stream) {
  const DType dtype = arguments.x_TH.dtype();
  visit_storage("rms_norm_backward", dtype, [&]<class T>() {
    const Backward<T> backward{.d_y = arguments.d_y_TH.as<T>().data(),
                               .x = arguments.x_TH.as<T>().data(),
                               .gain = arguments.gain_H.as<T>().data(),
                               .scale = arguments.scale_T.as<float>().data(),
                               .d_x = arguments.d_x_TH.as<T>().data(),
                               .d_gain = arguments.d_gain_H.as<T>().data(),
                               .rows = arguments.x_TH.dim(0),
                               .hidden = arguments.x_TH.dim(1),
                               .beta = static_cast<float>(arguments.beta)};
    const bool in_units =
        access_to(backward.hidden * size_of(dtype),
                  {backward.d_y, backward.x, backward.gain, backward.d_x}) == Access::units;
    launch(in_units ? &gain_gradient_kernel<T, Access::units>
                    : &gain_gradient_kernel<T, Access::elements>,
           LaunchShape{
               .blocks = blocks_for(units_of(backward.hidden, kUnit<T>), kGainUnits),
               .threads = kGainThreads,
               .shared_bytes = kGainThreads * kUnit<T> * static_cast<std::int64_t>(sizeof(float))},
           stream, backward);
    launch(in_units ? &input_gradient_kernel<T, Access::units>
                    : &input_gradient_kernel<T, Access::elements>,
           block_per_row(backward.rows, units_of(backward.hidden, kUnit<T>)), stream, backward);
  });
}

}  // namespace softmoe::ops::cuda
