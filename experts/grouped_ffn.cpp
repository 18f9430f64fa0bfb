#include "experts/grouped_ffn.h"

#include "runtime/ops/accumulate.h"
#include "runtime/ops/expert_ffn.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::experts {

namespace {

/// Room for the input of the second product, or for its gradient: [M, F].
TensorView push_activation(const GroupedFfnRows& rows, Workspace& work) {
  const Shape shape{rows.h_M2F.dim(0), rows.h_M2F.dim(1) / 2};
  return work.scratch.push(rows.h_M2F.dtype(), shape);
}

/// Adds d_out^T rows per expert to the gradient of `weights`, run by run.
void add_weight_gradient(const Parameter& weights, ConstTensorView d_out, ConstTensorView rows,
                         const GroupedFfnRows& plan, Workspace& work) {
  for (std::int64_t run = 0; run < plan.runs; ++run) {
    ops::accumulate(weights, work, [&](TensorView d_weights, double beta) {
      ops::grouped_gemm_weight({.d_out = d_out,
                                .rows = rows,
                                .d_weights = d_weights,
                                .beta = beta,
                                .row_begin = plan.row_begin_e1,
                                .runs = plan.runs,
                                .run = run},
                               work.scratch, work.compute);
    });
  }
}

/// The experts one by one, each with the gradients of its weights.
void backward_one_by_one(const GroupedFfnWeights& weights, const GroupedFfnRows& rows,
                         ConstTensorView d_y_MH, TensorView d_x_MH, TensorView d_gate_M,
                         TensorView a_MF, Workspace& work) {
  ops::accumulate(weights.down_eHF, work, [&](TensorView d_down, double down_beta) {
    ops::accumulate(weights.gate_up_e2FH, work, [&](TensorView d_gate_up, double gate_up_beta) {
      ops::expert_ffn_backward({.d_y_MH = d_y_MH,
                                .x_MH = rows.x_MH,
                                .gate_M = rows.gate_M,
                                .gate_up_e2FH = weights.gate_up_e2FH.value,
                                .down_eHF = weights.down_eHF.value,
                                .h_M2F = rows.h_M2F,
                                .a_MF = a_MF,
                                .d_x_MH = d_x_MH,
                                .d_gate_M = d_gate_M,
                                .d_gate_up_e2FH = d_gate_up,
                                .d_down_eHF = d_down,
                                .gate_up_beta = gate_up_beta,
                                .down_beta = down_beta,
                                .rows = {.row_begin = rows.row_begin_e1}},
                               work.compute);
    });
  });
}

/// The same, operation by operation.
void backward_by_operation(const GroupedFfnWeights& weights, const GroupedFfnRows& rows,
                           ConstTensorView d_y_MH, TensorView d_x_MH, TensorView d_gate_M,
                           TensorView a_MF, Workspace& work) {
  const TensorView d_a_MF = a_MF;  // where the activation takes its place
  ops::grouped_gemm({.rows = d_y_MH,
                     .weights = weights.down_eHF.value,
                     .out = d_a_MF,
                     .transpose_weights = ops::Transpose::no,
                     .row_begin = rows.row_begin_e1,
                     .runs = rows.runs},
                    work.scratch, work.compute);
  const TensorView d_h_M2F = rows.h_M2F;
  ops::swiglu_backward({.d_a_MF = d_a_MF,
                        .h_M2F = rows.h_M2F,
                        .gate_M = rows.gate_M,
                        .d_h_M2F = d_h_M2F,
                        .d_gate_M = d_gate_M,
                        .a_MF = a_MF},
                       work.compute);
  add_weight_gradient(weights.down_eHF, d_y_MH, a_MF, rows, work);
  add_weight_gradient(weights.gate_up_e2FH, d_h_M2F, rows.x_MH, rows, work);
  ops::grouped_gemm({.rows = d_h_M2F,
                     .weights = weights.gate_up_e2FH.value,
                     .out = d_x_MH,
                     .transpose_weights = ops::Transpose::no,
                     .row_begin = rows.row_begin_e1,
                     .runs = rows.runs},
                    work.scratch, work.compute);
}

}  // namespace

GroupedFfnWeights GroupedFfnWeights::experts(std::int64_t begin, std::int64_t end) const {
  return {.gate_up_e2FH = gate_up_e2FH.rows(begin, end), .down_eHF = down_eHF.rows(begin, end)};
}

GroupedFfnRows GroupedFfnRows::part(std::int64_t begin, std::int64_t end,
                                    std::span<const std::int64_t> begin_of_each) const {
  return {.x_MH = x_MH.rows(begin, end),
          .gate_M = gate_M.rows(begin, end),
          .h_M2F = h_M2F.rows(begin, end),
          .row_begin_e1 = begin_of_each,
          .runs = runs};
}

void grouped_ffn_inner(const GroupedFfnWeights& weights, const GroupedFfnRows& rows,
                       Workspace& work) {
  ops::grouped_gemm({.rows = rows.x_MH,
                     .weights = weights.gate_up_e2FH.value,
                     .out = rows.h_M2F,
                     .transpose_weights = ops::Transpose::yes,
                     .row_begin = rows.row_begin_e1,
                     .runs = rows.runs},
                    work.scratch, work.compute);
}

void grouped_ffn(const GroupedFfnWeights& weights, const GroupedFfnRows& rows, TensorView y_MH,
                 Workspace& work) {
  const ArenaScope scope(work.scratch);
  const TensorView a_MF = push_activation(rows, work);
  const ops::ExpertRows expert_rows{.row_begin = rows.row_begin_e1, .runs = rows.runs};
  if (ops::takes_experts_one_by_one(work.compute, rows.h_M2F, expert_rows)) {
    ops::expert_ffn({.x_MH = rows.x_MH,
                     .gate_M = rows.gate_M,
                     .gate_up_e2FH = weights.gate_up_e2FH.value,
                     .down_eHF = weights.down_eHF.value,
                     .h_M2F = rows.h_M2F,
                     .a_MF = a_MF,
                     .y_MH = y_MH,
                     .rows = expert_rows},
                    work.compute);
    return;
  }
  grouped_ffn_inner(weights, rows, work);
  ops::swiglu(rows.h_M2F, rows.gate_M, a_MF, work.compute);
  ops::grouped_gemm({.rows = a_MF,
                     .weights = weights.down_eHF.value,
                     .out = y_MH,
                     .transpose_weights = ops::Transpose::yes,
                     .row_begin = rows.row_begin_e1,
                     .runs = rows.runs},
                    work.scratch, work.compute);
}

void grouped_ffn_backward(const GroupedFfnWeights& weights, const GroupedFfnRows& rows,
                          ConstTensorView d_y_MH, TensorView d_x_MH, TensorView d_gate_M,
                          Workspace& work) {
  const ArenaScope scope(work.scratch);
  const TensorView a_MF = push_activation(rows, work);
  // An exact sum takes the contributions of every run apart, and one of the two weights' at a time.
  const bool adds_floats = rows.runs == 1 && weights.gate_up_e2FH.gradient.dtype() != DType::i64;
  const bool is_one_by_one =
      adds_floats &&
      ops::takes_experts_one_by_one(work.compute, rows.h_M2F, {.row_begin = rows.row_begin_e1});
  const auto backward = is_one_by_one ? backward_one_by_one : backward_by_operation;
  backward(weights, rows, d_y_MH, d_x_MH, d_gate_M, a_MF, work);
}

}  // namespace softmoe::experts
