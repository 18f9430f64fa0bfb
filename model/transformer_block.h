#pragma once

// Letters: T tokens, H hidden.

#include <memory>
#include <optional>

#include "experts/moe_layer.h"
#include "model/attention_block.h"
#include "model/feed_forward.h"
#include "model/recompute.h"

namespace softmoe::model {

/// The trained tensors of one block: experts, or a plain feed-forward; or both, with a shared
/// expert.
struct BlockWeights {
  AttentionWeights attention;
  Parameter ffn_norm_H;
  std::optional<FeedForwardWeights> feed_forward;  ///< of a dense layer, or the shared expert
  std::optional<experts::MoeWeights> moe;
};

/// What the MoE layer of a block needs to know about the step.
struct BlockRouting {
  router::RouteArguments arguments;  ///< logits and gain are filled in by the layer
  router::RouteStatistics statistics;
};

/// Attention, then experts (or a plain feed-forward), each behind a norm and around a residual.
class TransformerBlock {
 public:
  /// @param moe  null in a dense layer; if the block recomputes, it keeps the plan alone
  TransformerBlock(const ModelConfig& config, int layer, const BlockWeights& weights,
                   std::unique_ptr<experts::MoeLayer> moe, Recompute recompute);

  /// The block's output, on work.saved with all that backward reads; if the block recomputes, with
  /// the route plan alone. `x_TH` must stay until backward.
  /// @param cache  the cached sequences that the batch continues, or null
  [[nodiscard]] TensorView forward(const Batch& batch, ConstTensorView x_TH,
                                   const BlockRouting& routing, KvCache* cache, Workspace& work);
  /// d_x_TH, which holds the gradient of the output, becomes that of the input.
  /// @param d_k  added to; unused in a dense layer
  void backward(const Batch& batch, TensorView d_x_TH, TensorView d_k, Workspace& work);

  /// Null in a dense layer.
  [[nodiscard]] const experts::MoeLayer* moe() const { return moe_.get(); }

 private:
  /// `work` whose saved activations outlive the pass, or go with its scratch.
  [[nodiscard]] Workspace of_activations(Workspace& work) const;
  /// The norm behind attention, by ops and inputs that are the same each time.
  [[nodiscard]] TensorView attend(const Batch& batch, KvCache* cache, TensorView middle_TH,
                                  Workspace& work);
  /// Computes again what forward dropped, on work.scratch.
  void run_again(const Batch& batch, Workspace& work);

  BlockWeights weights_;
  Recompute recompute_;
  AttentionBlock attention_;
  Norm ffn_norm_;
  std::optional<FeedForward> feed_forward_;
  std::unique_ptr<experts::MoeLayer> moe_;
  ConstTensorView x_TH_;  ///< input of the last forward
};

}  // namespace softmoe::model
