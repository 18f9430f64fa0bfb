#include "model/transformer_block.h"

#include "runtime/ops/elementwise.h"

namespace softmoe::model {

TransformerBlock::TransformerBlock(const ModelConfig& config, int layer,
                                   const BlockWeights& weights,
                                   std::unique_ptr<experts::MoeLayer> moe, Recompute recompute)
    : weights_(weights),
      recompute_(recompute),
      attention_(config, layer, weights.attention),
      ffn_norm_(weights.ffn_norm_H, config.norm_epsilon),
      moe_(std::move(moe)) {
  if (weights.feed_forward) feed_forward_.emplace(layer, *weights.feed_forward);
}

TensorView TransformerBlock::forward(const Batch& batch, ConstTensorView x_TH,
                                     const BlockRouting& routing, KvCache* cache, Workspace& work) {
  const ArenaScope scope(work.scratch);
  Workspace activations = of_activations(work);
  x_TH_ = x_TH;
  const TensorView y_TH = work.saved.push(x_TH.dtype(), x_TH.shape());
  const TensorView middle_TH = activations.saved.push(x_TH.dtype(), x_TH.shape());
  const TensorView normed_TH = attend(batch, cache, middle_TH, activations);
  // The plan is kept in any case.
  if (moe_) {
    moe_->forward(*weights_.moe, normed_TH, middle_TH, y_TH, routing.arguments, routing.statistics,
                  work);
  } else {
    ops::copy(middle_TH, y_TH, work.compute);
  }
  if (feed_forward_) feed_forward_->forward(normed_TH, y_TH, activations);
  return y_TH;
}

void TransformerBlock::backward(const Batch& batch, TensorView d_x_TH, TensorView d_k,
                                Workspace& work) {
  const ArenaScope scope(work.scratch);
  if (recompute_ == Recompute::block) run_again(batch, work);
  const TensorView d_normed_TH = work.scratch.push(d_x_TH.dtype(), d_x_TH.shape());
  if (feed_forward_) feed_forward_->backward(d_x_TH, d_normed_TH, work);
  if (moe_) {
    const ConstTensorView onto_TH =
        feed_forward_ ? ConstTensorView(d_normed_TH) : ConstTensorView();
    moe_->backward(*weights_.moe, d_x_TH, onto_TH, d_normed_TH, d_k, work);
  }
  ffn_norm_.backward(d_normed_TH, d_x_TH, work);
  attention_.backward(batch, d_x_TH, work);
}

Workspace TransformerBlock::of_activations(Workspace& work) const {
  if (recompute_ == Recompute::none) return work;
  return {.saved = work.scratch,
          .scratch = work.scratch,
          .compute = work.compute,
          .exchange = work.exchange,
          .reduce = work.reduce,
          .progress = work.progress};
}

TensorView TransformerBlock::attend(const Batch& batch, KvCache* cache, TensorView middle_TH,
                                    Workspace& work) {
  // The residual: attention adds to a copy of its input.
  ops::copy(x_TH_, middle_TH, work.compute);
  if (cache != nullptr) {
    attention_.decode(batch, *cache, x_TH_, middle_TH, work);
  } else {
    attention_.forward(batch, x_TH_, middle_TH, work);
  }
  return ffn_norm_.forward(middle_TH, work);
}

void TransformerBlock::run_again(const Batch& batch, Workspace& work) {
  Workspace activations = of_activations(work);
  const TensorView middle_TH = activations.saved.push(x_TH_.dtype(), x_TH_.shape());
  const TensorView normed_TH = attend(batch, nullptr, middle_TH, activations);
  if (moe_) moe_->move_input(normed_TH);
  if (feed_forward_) feed_forward_->recompute(normed_TH, activations);
}

}  // namespace softmoe::model
