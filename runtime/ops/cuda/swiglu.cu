#include "runtime/ops/swiglu.h"

#include <cmath>

#include "runtime/ops/cuda/row_block.h"
#include "runtime/ops/cuda/row_walk.h"
#include "runtime/ops/cuda/storage.h"
#include "runtime/ops/cuda/unit.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

__device__ float logistic(float x) {
  return 1 / (1 + expf(-x));
}

/// A missing gate is 1.
__device__ float gate_of(const float* gate, std::int64_t row) {
  return gate == nullptr ? 1.0F : gate[row];
}

template <class T>
struct Forward {
  const T* h;
  const float* gate;
  T* a;
  std::int64_t rows;
  std::int64_t width;
};

template <class T, Access kAccess>
__global__ void __launch_bounds__(kRowWalkThreads)
    swiglu_kernel(Forward<T> forward, int log2_threads) {
  const std::int64_t width = forward.width;
  const RowWalk walk(log2_threads);
  for (std::int64_t row = walk.first_row; row < forward.rows; row += walk.row_step) {
    const T* const h = forward.h + row * 2 * width;
    const float gate = gate_of(forward.gate, row);
    for (std::int64_t unit = walk.first_unit; unit * kUnit<T> < width; unit += walk.unit_step) {
      const UnitValues<T> h1 = load_unit<kAccess>(h, unit, width);
      const UnitValues<T> h3 = load_unit<kAccess>(h + width, unit, width);
      UnitValues<T> a;
      for (int i = 0; i < kUnit<T>; ++i) a.at[i] = h1.at[i] * logistic(h1.at[i]) * h3.at[i] * gate;
      store_unit<kAccess>(forward.a + row * width, unit, width, a);
    }
  }
}

template <class T>
struct Backward {
  const T* d_a;
  const T* h;
  const float* gate;
  T* d_h;         ///< may be h: a thread reads both halves of its columns before it writes them
  float* d_gate;  ///< or null
  T* a;           ///< may be d_a; or null
  std::int64_t width;
};

/// Both halves of the gradient of a unit in place of h, and a in place of its gradient; returns the
/// unit's share of the gate's gradient.
template <class T>
__device__ float differentiate(UnitValues<T>& d_a, float gate, UnitValues<T>& h1,
                               UnitValues<T>& h3) {
  float d_gate = 0;
  for (int i = 0; i < kUnit<T>; ++i) {
    const float sigma = logistic(h1.at[i]);
    const float silu = h1.at[i] * sigma;
    const float a = silu * h3.at[i] * gate;
    d_gate = fmaf(d_a.at[i] * silu, h3.at[i], d_gate);
    // silu'(x) = s + x s (1 - s), with s the logistic of x.
    h1.at[i] = d_a.at[i] * gate * h3.at[i] * fmaf(silu, 1 - sigma, sigma);
    h3.at[i] = d_a.at[i] * gate * silu;
    d_a.at[i] = a;
  }
  return d_gate;
}

template <class T, Access kAccess>
__global__ void __launch_bounds__(kMaxRowThreads) swiglu_backward_kernel(Backward<T> backward) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t width = backward.width;
  const T* const d_a_of_row = backward.d_a + row * width;
  const T* const h = backward.h + row * 2 * width;
  T* const d_h = backward.d_h + row * 2 * width;
  const float gate = gate_of(backward.gate, row);

  float d_gate = 0;
  for (std::int64_t unit = threadIdx.x; unit * kUnit<T> < width; unit += blockDim.x) {
    UnitValues<T> d_a = load_unit<kAccess>(d_a_of_row, unit, width);
    UnitValues<T> h1 = load_unit<kAccess>(h, unit, width);
    UnitValues<T> h3 = load_unit<kAccess>(h + width, unit, width);
    d_gate += differentiate<T>(d_a, gate, h1, h3);
    store_unit<kAccess>(d_h, unit, width, h1);
    store_unit<kAccess>(d_h + width, unit, width, h3);
    if (backward.a != nullptr) store_unit<kAccess>(backward.a + row * width, unit, width, d_a);
  }
  if (backward.d_gate == nullptr) return;
  d_gate = block_sum(d_gate);
  if (threadIdx.x == 0) backward.d_gate[row] = d_gate;
}

}  // namespace

void swiglu(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF, Stream& stream) {
  visit_storage("swiglu", a_MF.dtype(), [&]<class T>() {
    const Forward<T> forward{.h = h_M2F.as<T>().data(),
                             .gate = gate_M.data() == nullptr ? nullptr : gate_M.as<float>().data(),
                             .a = a_MF.as<T>().data(),
                             .rows = a_MF.dim(0),
                             .width = a_MF.dim(1)};
    const std::int64_t half_row_bytes = forward.width * size_of(a_MF.dtype());
    const bool in_units = access_to(half_row_bytes, {forward.h, forward.a}) == Access::units;
    const RowSpread spread = spread_rows(forward.rows, units_of(forward.width, kUnit<T>));
    launch(in_units ? &swiglu_kernel<T, Access::units> : &swiglu_kernel<T, Access::elements>,
           spread.shape, stream, forward, spread.log2_threads);
  });
}

void swiglu_backward(const SwigluBackwardArguments& arguments, Stream& stream) {
  visit_storage("swiglu_backward", arguments.d_a_MF.dtype(), [&]<class T>() {
    const Backward<T> backward{
        .d_a = arguments.d_a_MF.as<T>().data(),
        .h = arguments.h_M2F.as<T>().data(),
        .gate = arguments.gate_M.data() == nullptr ? nullptr : arguments.gate_M.as<float>().data(),
        .d_h = arguments.d_h_M2F.as<T>().data(),
        .d_gate =
            arguments.d_gate_M.data() == nullptr ? nullptr : arguments.d_gate_M.as<float>().data(),
        .a = arguments.a_MF.data() == nullptr ? nullptr : arguments.a_MF.as<T>().data(),
        .width = arguments.d_a_MF.dim(1)};
    const std::int64_t half_row_bytes = backward.width * size_of(arguments.d_a_MF.dtype());
    const bool in_units = access_to(half_row_bytes, {backward.d_a, backward.h, backward.d_h,
                                                     backward.a}) == Access::units;
    launch(in_units ? &swiglu_backward_kernel<T, Access::units>
                    : &swiglu_backward_kernel<T, Access::elements>,
           block_per_row(arguments.d_a_MF.dim(0), units_of(backward.width, kUnit<T>)), stream,
           backward);
  });
}

}  // namespace softmoe::ops::cuda
