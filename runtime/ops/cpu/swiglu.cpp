#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/swiglu_rows.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

/// A missing gate is 1.
float gate_of(const ConstTensorView& gate_M, std::int64_t row) {
  return gate_M.data() == nullptr ? 1.0F : gate_M.as<float>()[row];
}

/// Rows [begin, end) of what may be missing.
template <class View>
View rows_or_none(const View& view, std::int64_t begin, std::int64_t end) {
  return view.data() == nullptr ? view : view.rows(begin, end);
}

/// One row of the backward pass.
struct BackwardRow {
  const float* d_a;
  const float* h;
  float* d_h;
  float* a;  ///< or null
  float gate;

  /// Writes d_h and a, and returns the gate's gradient. h and d_h may be the same memory, and so
  /// may d_a and a: what belongs to an element is read before any of it is written.
  [[nodiscard]] float run(std::int64_t width) const {
    return a == nullptr ? run<false>(width) : run<true>(width);
  }

 private:
  template <bool kWritesA>
  [[nodiscard]] float run(std::int64_t width) const {
    Vec d_gate{};
    for_vectors(width, [&](std::int64_t f, auto lanes) {
      const Vec h1 = load(h + f, lanes);
      const Vec h3 = load(h + width + f, lanes);
      const Vec d_out = load(d_a + f, lanes);
      const Vec sigma = logistic(h1);
      const Vec silu = h1 * sigma;
      const Vec through = d_out * gate;
      d_gate += d_out * (silu * h3);
      store(through * h3 * (sigma + silu * (1.0F - sigma)), d_h + f, lanes);
      store(through * silu, d_h + width + f, lanes);
      if constexpr (kWritesA) store(silu * h3 * gate, a + f, lanes);
    });
    return sum_lanes(d_gate);
  }
};

}  // namespace

void swiglu_rows(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF) {
  const std::int64_t width = a_MF.dim(1);
  const float* const h = h_M2F.as<float>().data();
  float* const a = a_MF.as<float>().data();
  for (std::int64_t row = 0; row < a_MF.dim(0); ++row) {
    const float gate = gate_of(gate_M, row);
    const float* const h_row = h + row * 2 * width;
    for_vectors(width, [&](std::int64_t f, auto lanes) {
      const Vec h1 = load(h_row + f, lanes);
      const Vec h3 = load(h_row + width + f, lanes);
      store(h1 * logistic(h1) * h3 * gate, a + row * width + f, lanes);
    });
  }
}

void swiglu_backward_rows(const SwigluBackwardArguments& arguments) {
  const auto& [d_a_MF, h_M2F, gate_M, d_h_M2F, d_gate_M, a_MF] = arguments;
  const std::int64_t width = d_a_MF.dim(1);
  const float* const d_a = d_a_MF.as<float>().data();
  const float* const h = h_M2F.as<float>().data();
  float* const d_h = d_h_M2F.as<float>().data();
  float* const a = a_MF.data() == nullptr ? nullptr : a_MF.as<float>().data();
  float* const d_gate = d_gate_M.data() == nullptr ? nullptr : d_gate_M.as<float>().data();
  for (std::int64_t row = 0; row < d_a_MF.dim(0); ++row) {
    const BackwardRow backward{.d_a = d_a + row * width,
                               .h = h + row * 2 * width,
                               .d_h = d_h + row * 2 * width,
                               .a = a == nullptr ? nullptr : a + row * width,
                               .gate = gate_of(gate_M, row)};
    const float dot = backward.run(width);
    if (d_gate != nullptr) d_gate[row] = dot;
  }
}

void swiglu(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF, Stream& stream) {
  stream.run([h_M2F, gate_M, a_MF, workers = &stream.workers()] {
    for_row_blocks(*workers, a_MF.dim(0), a_MF.dim(1), [&](std::int64_t begin, std::int64_t end) {
      swiglu_rows(h_M2F.rows(begin, end), rows_or_none(gate_M, begin, end), a_MF.rows(begin, end));
    });
  });
}

void swiglu_backward(const SwigluBackwardArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const Shape shape = arguments.d_a_MF.shape();
    for_row_blocks(*workers, shape[0], shape[1], [&](std::int64_t begin, std::int64_t end) {
      swiglu_backward_rows({.d_a_MF = arguments.d_a_MF.rows(begin, end),
                            .h_M2F = arguments.h_M2F.rows(begin, end),
                            .gate_M = rows_or_none(arguments.gate_M, begin, end),
                            .d_h_M2F = arguments.d_h_M2F.rows(begin, end),
                            .d_gate_M = rows_or_none(arguments.d_gate_M, begin, end),
                            .a_MF = rows_or_none(arguments.a_MF, begin, end)});
    });
  });
}

}  // namespace softmoe::ops::cpu
