// The second half of KernelLayer: what happens to rows once they are routed.

#include <tuple>

#include "bench/kernel_layer.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/pack_rows.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/rows.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::bench {

void KernelLayer::add_row_calls() {
  Arena& scratch = work_.scratch;
  Stream& stream = work_.compute;
  const View<std::int32_t> row_begin = router_.gates.sparse.row_begin_R1;
  const View<std::int32_t> expert_at = router_.gates.sparse.column_N;
  const View<std::int32_t> row_at = work_.saved.push<std::int32_t>(expert_at.size());
  const View<std::int32_t> token_at = work_.saved.push<std::int32_t>(expert_at.size());
  const View<std::int32_t> place_of = work_.saved.push<std::int32_t>(expert_at.size());
  const TensorView x_TH = numbers(storage_, {size_.tokens, size_.hidden}, 5);
  const TensorView y_TH = zeros(storage_, {size_.tokens, size_.hidden});
  const TensorView packed = room(storage_, {expert_at.size(), size_.hidden});

  calls_.push_back({"sort_rows", [=, this, &scratch, &stream] {
                      ops::sort_rows({.segment_begin_S1 = row_begin,
                                      .key_C = expert_at,
                                      .count_K = router_.count_E,
                                      .row_at_C = row_at,
                                      .segment_at_C = token_at,
                                      .place_of_C = place_of},
                                     scratch, stream);
                    }});
  calls_.push_back({"pack_rows", [=, this, &stream] {
                      ops::pack_rows({.table = x_TH,
                                      .source_C = token_at,
                                      .num_rows_1 = row_begin.part(size_.tokens, size_.tokens + 1),
                                      .packed = packed},
                                     stream);
                    }});
  calls_.push_back({"sum_rows", [=, this, &stream] {
                      ops::sum_rows({.rows = packed.rows(0, rows_),
                                     .place_of_N = place_of.part(0, rows_),
                                     .segment_begin = row_begin,
                                     .onto = y_TH,
                                     .out = y_TH},
                                    stream);
                    }});
}

void KernelLayer::add_expert_calls() {
  Arena& scratch = work_.scratch;
  Stream& stream = work_.compute;
  const auto [e, h, f] = std::tuple(size_.experts, size_.hidden, size_.inner);
  const TensorView x_MH = numbers(storage_, {rows_, h}, 6);
  const TensorView gate_M = numbers(DType::f32, {rows_}, 7);
  const TensorView gate_up = numbers(storage_, {e, 2 * f, h}, 8);
  const TensorView down = numbers(storage_, {e, h, f}, 9);
  const TensorView h_M2F = room(storage_, {rows_, 2 * f});
  const TensorView d_h_M2F = room(storage_, {rows_, 2 * f});
  const TensorView a_MF = room(storage_, {rows_, f});
  const TensorView y_MH = room(storage_, {rows_, h});
  const TensorView d_gate_M = room(DType::f32, {rows_});
  const TensorView d_gate_up = zeros(storage_, gate_up.shape());
  const TensorView d_down = zeros(storage_, down.shape());

  const auto product = [=, this, &scratch, &stream](ConstTensorView rows, ConstTensorView weights,
                                                    TensorView out) {
    ops::grouped_gemm({.rows = rows, .weights = weights, .out = out, .row_begin = row_begin_e1_},
                      scratch, stream);
  };
  const auto gradient = [=, this, &scratch, &stream](ConstTensorView d_out, ConstTensorView rows,
                                                     TensorView d_weights) {
    ops::grouped_gemm_weight(
        {.d_out = d_out, .rows = rows, .d_weights = d_weights, .row_begin = row_begin_e1_}, scratch,
        stream);
  };
  calls_.push_back({"grouped_gemm gate_up", [=] { product(x_MH, gate_up, h_M2F); }});
  calls_.push_back({"swiglu", [=, &stream] { ops::swiglu(h_M2F, gate_M, a_MF, stream); }});
  calls_.push_back({"grouped_gemm down", [=] { product(a_MF, down, y_MH); }});
  calls_.push_back({"swiglu_backward", [=, &stream] {
                      ops::swiglu_backward({.d_a_MF = a_MF,
                                            .h_M2F = h_M2F,
                                            .gate_M = gate_M,
                                            .d_h_M2F = d_h_M2F,
                                            .d_gate_M = d_gate_M,
                                            .a_MF = a_MF},
                                           stream);
                    }});
  calls_.push_back({"grouped_gemm_weight gate_up", [=] { gradient(d_h_M2F, x_MH, d_gate_up); }});
  calls_.push_back({"grouped_gemm_weight down", [=] { gradient(y_MH, a_MF, d_down); }});
}

void KernelLayer::add_other_calls() {
  Stream& stream = work_.compute;
  const Shape tokens{size_.tokens, size_.hidden};
  const TensorView x_TH = numbers(storage_, tokens, 10);
  const TensorView gain_H = numbers(storage_, {size_.hidden}, 11);
  const TensorView y_TH = zeros(storage_, tokens);
  const TensorView scale_T = room(DType::f32, {size_.tokens});
  const TensorView d_gain_H = zeros(storage_, {size_.hidden});
  const TensorView wide_TH = room(DType::f32, tokens);
  const View<std::int32_t> first_rows = router_.gates.sparse.row_begin_R1.part(0, size_.tokens);
  // Beginnings of rows are as good indices as any, once they are kept inside the table.
  const TensorView table = room(storage_, {rows_ + 1, size_.hidden});

  calls_.push_back(
      {"rms_norm", [=, &stream] { ops::rms_norm(x_TH, gain_H, 1e-6, y_TH, scale_T, stream); }});
  calls_.push_back({"rms_norm_backward", [=, &stream] {
                      ops::rms_norm_backward({.d_y_TH = x_TH,
                                              .x_TH = x_TH,
                                              .gain_H = gain_H,
                                              .scale_T = scale_T,
                                              .d_x_TH = y_TH,
                                              .d_gain_H = d_gain_H},
                                             stream);
                    }});
  calls_.push_back({"convert", [=, &stream] { ops::convert(x_TH, wide_TH, stream); }});
  calls_.push_back({"add", [=, &stream] { ops::add(x_TH, y_TH, stream); }});
  calls_.push_back(
      {"gather_rows", [=, &stream] { ops::gather_rows(table, first_rows, y_TH, stream); }});
}

}  // namespace softmoe::bench
