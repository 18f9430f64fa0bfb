#include "model/loss_head.h"

#include <algorithm>

#include "model/linear.h"
#include "runtime/ops/cross_entropy.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::model {

void LossHead::add_loss(const Batch& batch, ConstTensorView x_TH, TensorView loss_sum,
                        Workspace& work) {
  const PhaseScope phase(work.progress, Phase::loss);
  normed_TH_ = norm_.forward(x_TH, work);
  run_chunks(batch, {}, Gradient::no, loss_sum, work);
}

void LossHead::add_loss_and_gradient(const Batch& batch, ConstTensorView x_TH, TensorView d_x_TH,
                                     TensorView loss_sum, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::loss);
  const ArenaScope scope(work.scratch);
  normed_TH_ = norm_.forward(x_TH, work);
  const TensorView d_normed_TH = work.scratch.push(x_TH.dtype(), x_TH.shape());
  run_chunks(batch, d_normed_TH, Gradient::yes, loss_sum, work);
  ops::fill_zero(d_x_TH, work.compute);
  norm_.backward(d_normed_TH, d_x_TH, work);
}

void LossHead::last_logits(const Batch& batch, ConstTensorView x_TH, TensorView logits_BV,
                           Workspace& work) {
  const PhaseScope phase(work.progress, Phase::loss);
  normed_TH_ = norm_.forward(x_TH, work);
  for (std::int64_t sequence = 0; sequence < batch.sequences; ++sequence) {
    const std::int64_t end = (sequence + 1) * batch.positions;
    linear(table_VH_, normed_TH_.rows(end - 1, end), logits_BV.rows(sequence, sequence + 1),
           /*beta=*/0.0, work.compute);
  }
}

void LossHead::run_chunks(const Batch& batch, TensorView d_normed_TH, Gradient gradient,
                          TensorView loss_sum, Workspace& work) {
  const ArenaScope scope(work.scratch);
  const std::int64_t num_tokens = batch.tokens();
  const auto [loss_T, chunk] =
      push_loss(normed_TH_.dtype(), num_tokens, table_VH_.value.dim(0), work.scratch);
  for (std::int64_t begin = 0; begin < num_tokens; begin += kLossChunkTokens) {
    const std::int64_t end = std::min(begin + kLossChunkTokens, num_tokens);
    const TensorView logits = chunk.rows(0, end - begin);
    linear(table_VH_, normed_TH_.rows(begin, end), logits, /*beta=*/0.0, work.compute);
    ops::cross_entropy(logits, batch.target_T.part(begin, end), loss_T.rows(begin, end),
                       work.compute);
    if (gradient == Gradient::no) continue;
    linear_weight_gradient(table_VH_, logits, normed_TH_.rows(begin, end), work.compute);
    linear_input_gradient(table_VH_, logits, d_normed_TH.rows(begin, end), /*beta=*/0.0,
                          work.compute);
  }
  const TensorView lane_sum = work.scratch.push(DType::f64, {1});
  ops::sum(loss_T, lane_sum.as<double>(), work.compute);
  ops::add(lane_sum, loss_sum, work.compute);
}

}  // namespace softmoe::model
