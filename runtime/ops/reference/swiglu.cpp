#include "runtime/ops/swiglu.h"

#include <cmath>

namespace softmoe::ops::reference {

namespace {

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Gates are f64 beside f64 and f32 beside the rest; a missing one is 1.
template <class T>
double gate_of(const ConstTensorView& gate_M, std::int64_t row) {
  return gate_M.data() == nullptr ? 1.0 : double{gate_M.as<ComputeOf<T>>()[row]};
}

template <class T>
void forward(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF) {
  const std::int64_t width = a_MF.dim(1);
  const auto h = h_M2F.as<T>();
  const auto a = a_MF.as<T>();
  for (std::int64_t row = 0; row < a_MF.dim(0); ++row) {
    const double gate = gate_of<T>(gate_M, row);
    for (std::int64_t f = 0; f < width; ++f) {
      const double h1{h[row * 2 * width + f]};
      const double h3{h[row * 2 * width + width + f]};
      a[row * width + f] = static_cast<T>(h1 * logistic(h1) * h3 * gate);
    }
  }
}

template <class T>
void backward(const SwigluBackwardArguments& arguments) {
  const std::int64_t width = arguments.d_a_MF.dim(1);
  const auto d_a = arguments.d_a_MF.as<T>();
  const auto h = arguments.h_M2F.as<T>();
  const auto d_h = arguments.d_h_M2F.as<T>();
  const bool has_a = arguments.a_MF.data() != nullptr;
  for (std::int64_t row = 0; row < arguments.d_a_MF.dim(0); ++row) {
    const double gate = gate_of<T>(arguments.gate_M, row);
    double d_gate = 0;
    for (std::int64_t f = 0; f < width; ++f) {
      const std::int64_t first = row * 2 * width + f;
      const double h1{h[first]};
      const double h3{h[first + width]};
      const double d_out{d_a[row * width + f]};
      const double sigma = logistic(h1);
      const double silu = h1 * sigma;
      d_gate += d_out * silu * h3;
      // silu'(x) = s + x s (1 - s), with s the logistic of x.
      d_h[first] = static_cast<T>(d_out * gate * h3 * (sigma + silu * (1 - sigma)));
      d_h[first + width] = static_cast<T>(d_out * gate * silu);
      if (has_a) arguments.a_MF.as<T>()[row * width + f] = static_cast<T>(silu * h3 * gate);
    }
    if (arguments.d_gate_M.data() != nullptr) {
      arguments.d_gate_M.as<ComputeOf<T>>()[row] = static_cast<ComputeOf<T>>(d_gate);
    }
  }
}

}  // namespace

void swiglu(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF, Stream& stream) {
  stream.run([h_M2F, gate_M, a_MF] {
    visit_float(h_M2F.dtype(), [&]<class T>() { forward<T>(h_M2F, gate_M, a_MF); });
  });
}

void swiglu_backward(const SwigluBackwardArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    visit_float(arguments.h_M2F.dtype(), [&]<class T>() { backward<T>(arguments); });
  });
}

}  // namespace softmoe::ops::reference
