#include "model/loss_head.h"

#include <algorithm>

#include "model/linear.h"
#include "runtime/ops/accumulate.h"
#include "runtime/ops/cross_entropy.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/gemm.h"

namespace softmoe::model {

void LossHead::add_loss(const Batch& batch, ConstTensorView x_TH, TensorView loss_sum,
                        Workspace& work) {
  const PhaseScope phase(work.progress, Phase::loss);
  normed_TH_ = norm_.forward(x_TH, work);
  run_chunks(batch, std::nullopt, loss_sum, work);
}

void LossHead::add_loss_and_gradient(const Batch& batch, ConstTensorView x_TH, TensorView d_x_TH,
                                     TensorView loss_sum, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::loss);
  const ArenaScope scope(work.scratch);
  normed_TH_ = norm_.forward(x_TH, work);
  const TensorView d_normed_TH = work.scratch.push(x_TH.dtype(), x_TH.shape());
  // All chunks are one contribution to the table's gradient.
  ops::accumulate(table_VH_, work, [&](TensorView d_table_VH, double beta) {
    run_chunks(batch, Gradients{d_normed_TH, d_table_VH, beta}, loss_sum, work);
  });
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

void LossHead::run_chunks(const Batch& batch, std::optional<Gradients> gradients,
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
    if (!gradients) continue;
    add_gradients(logits, begin, end, *gradients, work);
    gradients->beta = 1.0;
  }
  if (gradients && gradients->beta == 0) ops::fill_zero(gradients->d_table_VH, work.compute);
  const TensorView lane_sum = work.scratch.push(DType::f64, {1});
  ops::sum(loss_T, lane_sum.as<double>(), work.compute);
  ops::add(lane_sum, loss_sum, work.compute);
}

void LossHead::add_gradients(ConstTensorView d_logits, std::int64_t begin, std::int64_t end,
                             const Gradients& gradients, Workspace& work) const {
  ops::gemm_pair({.a = d_logits,
                  .b = normed_TH_.rows(begin, end),
                  .c = gradients.d_table_VH,
                  .transpose_a = ops::Transpose::yes,
                  .beta = gradients.beta},
                 {.a = d_logits, .b = table_VH_.value, .c = gradients.d_normed_TH.rows(begin, end)},
                 work.compute);
}

}  // namespace softmoe::model
