#pragma once

// Letters: T tokens, H hidden.

#include "model/batch.h"
#include "model/kv_cache.h"
#include "model/model_config.h"
#include "model/norm.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/rotary.h"

namespace softmoe::model {

struct AttentionWeights {
  Parameter norm_H;
  Parameter qkv;  ///< [(heads + 2 kv_heads) D, H]: queries, keys, values
  Parameter out;  ///< [H, heads D]
};

/// What attention leaves on the arena of saved activations, beside its norm.
struct AttentionSaved {
  TensorView qkv;
  TensorView heads_out;
  TensorView log_sum;
};

/// Room for it. @param saved an Arena or an ArenaMeasure
template <class Memory>
[[nodiscard]] AttentionSaved push_attention(const ModelConfig& config, DType dtype,
                                            std::int64_t tokens, Memory& saved) {
  return {.qkv = saved.push(dtype, {tokens, config.qkv_columns()}),
          .heads_out = saved.push(dtype, {tokens, config.heads * config.head_size()}),
          .log_sum = saved.push(compute_type_of(dtype), {tokens, config.heads})};
}

/// y = x + W_out attention(rotary(W_qkv norm(x))).
class AttentionBlock {
 public:
  /// @param config outlives the block
  AttentionBlock(const ModelConfig& config, int layer, AttentionWeights weights);

  /// y_TH, which holds x, becomes y. `x_TH` must stay until backward.
  void forward(const Batch& batch, ConstTensorView x_TH, TensorView y_TH, Workspace& work);
  /// The same for the next positions of the cached sequences, which are added to the cache.
  void decode(const Batch& batch, KvCache& cache, ConstTensorView x_TH, TensorView y_TH,
              Workspace& work);
  /// d_x_TH, which holds the gradient of y, becomes that of x.
  void backward(const Batch& batch, TensorView d_x_TH, Workspace& work);

 private:
  void project(const Batch& batch, ConstTensorView x_TH, Workspace& work);
  void turn(const Batch& batch, TensorView qkv, ops::RotaryDirection direction,
            Workspace& work) const;
  [[nodiscard]] ops::AttentionArguments over_batch(const Batch& batch) const;
  [[nodiscard]] std::int64_t key_column() const { return config_->heads * config_->head_size(); }
  [[nodiscard]] std::int64_t value_column() const {
    return key_column() + config_->kv_heads * config_->head_size();
  }

  const ModelConfig* config_;
  int layer_;
  AttentionWeights weights_;
  Norm norm_;
  TensorView normed_TH_;
  AttentionSaved saved_;
};

}  // namespace softmoe::model
