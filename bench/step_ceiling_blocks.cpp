// The operations of a pass: what model/ and experts/ do of their own accord, without the routing.

#include <algorithm>

#include "bench/step_ceiling.h"
#include "model/attention_block.h"
#include "model/linear.h"
#include "model/loss_head.h"
#include "runtime/ops/cross_entropy.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/expert_ffn.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/rotary.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::bench {

TensorView StepCeiling::norm(model::ParameterId gain, ConstTensorView x_TH, TensorView& scale_T) {
  const TensorView y_TH = work_.saved.push(DType::f32, x_TH.shape());
  scale_T = work_.saved.push(DType::f32, {x_TH.dim(0)});
  on_clock(CeilingPart::elementwise, [&] {
    ops::rms_norm(x_TH, parameters_[gain].value, model_.norm_epsilon, y_TH, scale_T, work_.compute);
  });
  return y_TH;
}

void StepCeiling::norm_backward(model::ParameterId gain, ConstTensorView d_y_TH,
                                ConstTensorView x_TH, TensorView scale_T, TensorView d_x_TH) {
  on_clock(CeilingPart::elementwise, [&] {
    ops::rms_norm_backward({.d_y_TH = d_y_TH,
                            .x_TH = x_TH,
                            .gain_H = parameters_[gain].value,
                            .scale_T = scale_T,
                            .d_x_TH = d_x_TH,
                            .d_gain_H = parameters_[gain].gradient,
                            .beta = first_beta_},
                           work_.compute);
  });
}

void StepCeiling::linear(model::ParameterId weight, ConstTensorView x, TensorView y, double beta) {
  on_clock(CeilingPart::linear,
           [&] { model::linear(parameters_[weight], x, y, beta, work_.compute); });
}

void StepCeiling::linear_backward(model::ParameterId weight, ConstTensorView d_y, ConstTensorView x,
                                  TensorView d_x, double beta) {
  on_clock(CeilingPart::linear, [&] {
    ops::gemm_pair({.a = d_y,
                    .b = x,
                    .c = parameters_[weight].gradient,
                    .transpose_a = ops::Transpose::yes,
                    .beta = first_beta_},
                   {.a = d_y, .b = parameters_[weight].value, .c = d_x, .beta = beta},
                   work_.compute);
  });
}

TensorView StepCeiling::forward(int layer, Saved& saved, TensorView x_TH, std::int64_t rows) {
  const model::BlockIds& ids = ids_.blocks[static_cast<std::size_t>(layer)];
  saved.x_TH = x_TH;
  saved.middle_TH = work_.saved.push(DType::f32, x_TH.shape());
  attention_forward(ids, saved);
  saved.ffn_norm_TH = norm(ids.ffn_norm, saved.middle_TH, saved.ffn_scale_T);
  const TensorView y_TH = work_.saved.push(DType::f32, x_TH.shape());
  // With experts the one pass stands for the sum of a token's rows and its residual.
  on_clock(CeilingPart::elementwise, [&] { ops::copy(saved.middle_TH, y_TH, work_.compute); });
  if (ids.gate_up) dense_forward(ids, saved, y_TH);
  if (ids.router) experts_forward(ids, saved, rows);
  return y_TH;
}

void StepCeiling::attention_forward(const model::BlockIds& ids, Saved& saved) {
  saved.attention_norm_TH = norm(ids.attention_norm, saved.x_TH, saved.attention_scale_T);
  const auto [qkv, heads_out, log_sum] =
      model::push_attention(model_, DType::f32, tokens_, work_.saved);
  saved.qkv = qkv;
  saved.heads_out = heads_out;
  saved.log_sum = log_sum;
  linear(ids.qkv, saved.attention_norm_TH, saved.qkv, /*beta=*/0.0);
  on_clock(CeilingPart::elementwise, [&] {
    ops::rotary({.x = saved.qkv,
                 .heads = model_.heads + model_.kv_heads,
                 .head_size = model_.head_size(),
                 .position_T = position_T_.as<std::int32_t>(),
                 .theta = model_.rope_theta},
                work_.compute);
    ops::copy(saved.x_TH, saved.middle_TH, work_.compute);
  });
  on_clock(CeilingPart::attention,
           [&] { ops::attention(attention_of(saved), work_.scratch, work_.compute); });
  linear(ids.attention_out, saved.heads_out, saved.middle_TH, /*beta=*/1.0);
}

ops::AttentionArguments StepCeiling::attention_of(const Saved& saved) const {
  const std::int64_t queries = model_.heads * model_.head_size();
  const std::int64_t keys = model_.kv_heads * model_.head_size();
  return {.shape = {.sequences = tokens_ / model_.positions,
                    .queries = model_.positions,
                    .keys = model_.positions,
                    .heads = model_.heads,
                    .kv_heads = model_.kv_heads,
                    .head_size = model_.head_size()},
          .q = saved.qkv,
          .q_column = 0,
          .k = saved.qkv,
          .k_column = queries,
          .v = saved.qkv,
          .v_column = queries + keys,
          .key_stride = model_.positions,
          .o = saved.heads_out,
          .log_sum = saved.log_sum};
}

void StepCeiling::dense_forward(const model::BlockIds& ids, Saved& saved, TensorView y_TH) {
  const std::int64_t two_inner = parameters_[*ids.gate_up].value.dim(0);
  saved.dense_h = work_.saved.push(DType::f32, {tokens_, two_inner});
  saved.dense_a = work_.saved.push(DType::f32, {tokens_, two_inner / 2});
  linear(*ids.gate_up, saved.ffn_norm_TH, saved.dense_h, /*beta=*/0.0);
  on_clock(CeilingPart::elementwise,
           [&] { ops::swiglu(saved.dense_h, {}, saved.dense_a, work_.compute); });
  linear(*ids.down, saved.dense_a, y_TH, /*beta=*/1.0);
}

void StepCeiling::experts_forward(const model::BlockIds& ids, Saved& saved, std::int64_t rows) {
  const ArenaScope scope(work_.scratch);
  for (std::int64_t expert = 0; expert <= experts_here_; ++expert)
    saved.row_begin_e1.push_back(rows * expert / experts_here_);
  saved.expert_h_M2F = work_.saved.push(DType::f32, {rows, 2 * model_.experts.inner});
  saved.expert_a_MF = work_.saved.push(DType::f32, {rows, model_.experts.inner});
  const TensorView y_MH = work_.scratch.push(DType::f32, {rows, model_.hidden});
  const ops::ExpertRows expert_rows{.row_begin = saved.row_begin_e1};
  if (ops::takes_experts_one_by_one(work_.compute, saved.expert_h_M2F, expert_rows)) {
    on_clock(CeilingPart::experts, [&] {
      ops::expert_ffn({.x_MH = rows_MH_.rows(0, rows),
                       .gate_M = gate_M_.rows(0, rows),
                       .gate_up_e2FH = parameters_[*ids.expert_gate_up].value,
                       .down_eHF = parameters_[*ids.expert_down].value,
                       .h_M2F = saved.expert_h_M2F,
                       .a_MF = saved.expert_a_MF,
                       .y_MH = y_MH,
                       .rows = expert_rows},
                      work_.compute);
    });
    return;
  }
  on_clock(CeilingPart::experts, [&] {
    ops::grouped_gemm({.rows = rows_MH_.rows(0, rows),
                       .weights = parameters_[*ids.expert_gate_up].value,
                       .out = saved.expert_h_M2F,
                       .row_begin = saved.row_begin_e1},
                      work_.scratch, work_.compute);
  });
  on_clock(CeilingPart::elementwise, [&] {
    ops::swiglu(saved.expert_h_M2F, gate_M_.rows(0, rows), saved.expert_a_MF, work_.compute);
  });
  on_clock(CeilingPart::experts, [&] {
    ops::grouped_gemm({.rows = saved.expert_a_MF,
                       .weights = parameters_[*ids.expert_down].value,
                       .out = y_MH,
                       .row_begin = saved.row_begin_e1},
                      work_.scratch, work_.compute);
  });
}

void StepCeiling::loss(TensorView x_TH, TensorView d_x_TH) {
  const ArenaScope scope(work_.scratch);
  TensorView scale_T;
  const TensorView normed_TH = norm(ids_.final_norm, x_TH, scale_T);
  const TensorView d_normed_TH = work_.scratch.push(DType::f32, x_TH.shape());
  const auto [loss_T, chunk] =
      model::push_loss(DType::f32, tokens_, model_.vocabulary, work_.scratch);
  const View<const std::int32_t> target_T = token_T_.as<std::int32_t>();
  const double beta_of_lane = first_beta_;
  for (std::int64_t begin = 0; begin < tokens_; begin += model::kLossChunkTokens) {
    const std::int64_t end = std::min(begin + model::kLossChunkTokens, tokens_);
    const TensorView logits = chunk.rows(0, end - begin);
    linear(ids_.output, normed_TH.rows(begin, end), logits, /*beta=*/0.0);
    on_clock(CeilingPart::elementwise, [&] {
      ops::cross_entropy(logits, target_T.part(begin, end), loss_T.rows(begin, end), work_.compute);
    });
    if (begin > 0) first_beta_ = 1.0;
    linear_backward(ids_.output, logits, normed_TH.rows(begin, end), d_normed_TH.rows(begin, end),
                    /*beta=*/0.0);
  }
  first_beta_ = beta_of_lane;
  on_clock(CeilingPart::elementwise, [&] { ops::fill_zero(d_x_TH, work_.compute); });
  norm_backward(ids_.final_norm, d_normed_TH, x_TH, scale_T, d_x_TH);
}

void StepCeiling::backward(int layer, const Saved& saved, TensorView d_x_TH) {
  const ArenaScope scope(work_.scratch);
  const model::BlockIds& ids = ids_.blocks[static_cast<std::size_t>(layer)];
  // Without a plain FFN, numbers of the right size stand for what comes back from the experts.
  TensorView d_normed_TH = d_tokens_TH_;
  if (ids.gate_up) {
    d_normed_TH = work_.scratch.push(DType::f32, d_x_TH.shape());
    dense_backward(ids, saved, d_x_TH, d_normed_TH);
  }
  if (ids.router) experts_backward(ids, saved);
  norm_backward(ids.ffn_norm, d_normed_TH, saved.middle_TH, saved.ffn_scale_T, d_x_TH);
  attention_backward(ids, saved, d_x_TH);
}

void StepCeiling::dense_backward(const model::BlockIds& ids, const Saved& saved, TensorView d_x_TH,
                                 TensorView d_normed_TH) {
  const TensorView d_a = work_.scratch.push(DType::f32, saved.dense_a.shape());
  linear_backward(*ids.down, d_x_TH, saved.dense_a, d_a, /*beta=*/0.0);
  on_clock(CeilingPart::elementwise, [&] {
    ops::swiglu_backward({.d_a_MF = d_a, .h_M2F = saved.dense_h, .d_h_M2F = saved.dense_h},
                         work_.compute);
  });
  linear_backward(*ids.gate_up, saved.dense_h, saved.ffn_norm_TH, d_normed_TH, /*beta=*/0.0);
}

void StepCeiling::experts_backward(const model::BlockIds& ids, const Saved& saved) {
  const ArenaScope scope(work_.scratch);
  const std::int64_t rows = saved.expert_a_MF.dim(0);
  const TensorView d_a_MF = work_.scratch.push(DType::f32, saved.expert_a_MF.shape());
  const TensorView d_x_MH = work_.scratch.push(DType::f32, {rows, model_.hidden});
  const TensorView d_gate_M = work_.scratch.push(DType::f32, {rows});
  const ops::ExpertRows expert_rows{.row_begin = saved.row_begin_e1};
  if (ops::takes_experts_one_by_one(work_.compute, saved.expert_h_M2F, expert_rows)) {
    on_clock(CeilingPart::experts, [&] {
      ops::expert_ffn_backward({.d_y_MH = d_rows_MH_.rows(0, rows),
                                .x_MH = rows_MH_.rows(0, rows),
                                .gate_M = gate_M_.rows(0, rows),
                                .gate_up_e2FH = parameters_[*ids.expert_gate_up].value,
                                .down_eHF = parameters_[*ids.expert_down].value,
                                .h_M2F = saved.expert_h_M2F,
                                .a_MF = d_a_MF,
                                .d_x_MH = d_x_MH,
                                .d_gate_M = d_gate_M,
                                .d_gate_up_e2FH = parameters_[*ids.expert_gate_up].gradient,
                                .d_down_eHF = parameters_[*ids.expert_down].gradient,
                                .gate_up_beta = first_beta_,
                                .down_beta = first_beta_,
                                .rows = expert_rows},
                               work_.compute);
    });
    return;
  }
  const auto weight_gradient = [&](model::ParameterId weight, ConstTensorView d_out,
                                   ConstTensorView in) {
    ops::grouped_gemm_weight({.d_out = d_out,
                              .rows = in,
                              .d_weights = parameters_[weight].gradient,
                              .beta = first_beta_,
                              .row_begin = saved.row_begin_e1},
                             work_.scratch, work_.compute);
  };
  const auto input_gradient = [&](model::ParameterId weight, ConstTensorView d_out,
                                  TensorView d_in) {
    ops::grouped_gemm({.rows = d_out,
                       .weights = parameters_[weight].value,
                       .out = d_in,
                       .transpose_weights = ops::Transpose::no,
                       .row_begin = saved.row_begin_e1},
                      work_.scratch, work_.compute);
  };
  on_clock(CeilingPart::experts, [&] {
    weight_gradient(*ids.expert_down, d_rows_MH_.rows(0, rows), saved.expert_a_MF);
    input_gradient(*ids.expert_down, d_rows_MH_.rows(0, rows), d_a_MF);
  });
  on_clock(CeilingPart::elementwise, [&] {
    ops::swiglu_backward({.d_a_MF = d_a_MF,
                          .h_M2F = saved.expert_h_M2F,
                          .gate_M = gate_M_.rows(0, rows),
                          .d_h_M2F = saved.expert_h_M2F,
                          .d_gate_M = d_gate_M},
                         work_.compute);
  });
  on_clock(CeilingPart::experts, [&] {
    weight_gradient(*ids.expert_gate_up, saved.expert_h_M2F, rows_MH_.rows(0, rows));
    input_gradient(*ids.expert_gate_up, saved.expert_h_M2F, d_x_MH);
  });
}

void StepCeiling::attention_backward(const model::BlockIds& ids, const Saved& saved,
                                     TensorView d_x_TH) {
  const TensorView d_heads_out = work_.scratch.push(DType::f32, saved.heads_out.shape());
  linear_backward(ids.attention_out, d_x_TH, saved.heads_out, d_heads_out, /*beta=*/0.0);
  const TensorView d_qkv = work_.scratch.push(DType::f32, saved.qkv.shape());
  on_clock(CeilingPart::attention, [&] {
    ops::attention_backward({.forward = attention_of(saved),
                             .d_o = d_heads_out,
                             .d_q = d_qkv,
                             .d_k = d_qkv,
                             .d_v = d_qkv},
                            work_.scratch, work_.compute);
  });
  on_clock(CeilingPart::elementwise, [&] {
    ops::rotary({.x = d_qkv,
                 .heads = model_.heads + model_.kv_heads,
                 .head_size = model_.head_size(),
                 .position_T = position_T_.as<std::int32_t>(),
                 .theta = model_.rope_theta,
                 .direction = ops::RotaryDirection::backward},
                work_.compute);
  });
  const TensorView d_normed_TH = work_.scratch.push(DType::f32, d_x_TH.shape());
  linear_backward(ids.qkv, d_qkv, saved.attention_norm_TH, d_normed_TH, /*beta=*/0.0);
  norm_backward(ids.attention_norm, d_normed_TH, saved.x_TH, saved.attention_scale_T, d_x_TH);
}

}  // namespace softmoe::bench
