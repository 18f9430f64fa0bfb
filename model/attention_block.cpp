#include "model/attention_block.h"

#include "model/linear.h"
#include "runtime/ops/pack_rows.h"

namespace softmoe::model {

AttentionBlock::AttentionBlock(const ModelConfig& config, int layer, AttentionWeights weights)
    : config_(&config),
      layer_(layer),
      weights_(weights),
      norm_(weights.norm_H, config.norm_epsilon) {}

void AttentionBlock::forward(const Batch& batch, ConstTensorView x_TH, TensorView y_TH,
                             Workspace& work) {
  const PhaseScope phase(work.progress, Phase::attention, layer_);
  project(batch, x_TH, work);
  ops::attention(over_batch(batch), work.scratch, work.compute);
  linear(weights_.out, saved_.heads_out, y_TH, /*beta=*/1.0, work.compute);
}

void AttentionBlock::decode(const Batch& batch, KvCache& cache, ConstTensorView x_TH,
                            TensorView y_TH, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::attention, layer_);
  project(batch, x_TH, work);
  const TensorView cached = cache.layer(layer_);
  const std::int64_t kv_columns = cached.dim(1);
  for (std::int64_t sequence = 0; sequence < batch.sequences; ++sequence) {
    ops::copy_block(
        {.source = saved_.qkv.rows(sequence * batch.positions, (sequence + 1) * batch.positions),
         .source_column = key_column(),
         .target = cached,
         .target_row = sequence * cache.capacity() + cache.length(),
         .target_column = 0,
         .columns = kv_columns},
        work.compute);
  }
  ops::AttentionArguments arguments = over_batch(batch);
  arguments.shape.keys = cache.length() + batch.positions;
  arguments.k = cached;
  arguments.k_column = 0;
  arguments.v = cached;
  arguments.v_column = kv_columns / 2;
  arguments.key_stride = cache.capacity();
  ops::attention(arguments, work.scratch, work.compute);
  linear(weights_.out, saved_.heads_out, y_TH, /*beta=*/1.0, work.compute);
}

void AttentionBlock::backward(const Batch& batch, TensorView d_x_TH, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::attention, layer_);
  const ArenaScope scope(work.scratch);
  const TensorView d_heads_out = work.scratch.push(d_x_TH.dtype(), saved_.heads_out.shape());
  linear_backward(weights_.out, {.d_y_TO = d_x_TH, .x_TI = saved_.heads_out, .d_x_TI = d_heads_out},
                  work);

  const TensorView d_qkv = work.scratch.push(d_x_TH.dtype(), saved_.qkv.shape());
  ops::attention_backward(
      {.forward = over_batch(batch), .d_o = d_heads_out, .d_q = d_qkv, .d_k = d_qkv, .d_v = d_qkv},
      work.scratch, work.compute);
  turn(batch, d_qkv, ops::RotaryDirection::backward, work);
  const TensorView d_normed_TH = work.scratch.push(d_x_TH.dtype(), d_x_TH.shape());
  linear_backward(weights_.qkv, {.d_y_TO = d_qkv, .x_TI = normed_TH_, .d_x_TI = d_normed_TH}, work);
  norm_.backward(d_normed_TH, d_x_TH, work);
}

void AttentionBlock::project(const Batch& batch, ConstTensorView x_TH, Workspace& work) {
  normed_TH_ = norm_.forward(x_TH, work);
  saved_ = push_attention(*config_, x_TH.dtype(), batch.tokens(), work.saved);
  linear(weights_.qkv, normed_TH_, saved_.qkv, /*beta=*/0.0, work.compute);
  turn(batch, saved_.qkv, ops::RotaryDirection::forward, work);
}

void AttentionBlock::turn(const Batch& batch, TensorView qkv, ops::RotaryDirection direction,
                          Workspace& work) const {
  // Queries and keys lie side by side: one call turns the heads of both.
  ops::rotary({.x = qkv,
               .first_column = 0,
               .heads = config_->heads + config_->kv_heads,
               .head_size = config_->head_size(),
               .position_T = batch.position_T,
               .theta = config_->rope_theta,
               .direction = direction},
              work.compute);
}

ops::AttentionArguments AttentionBlock::over_batch(const Batch& batch) const {
  return {.shape = {.sequences = batch.sequences,
                    .queries = batch.positions,
                    .keys = batch.positions,
                    .heads = config_->heads,
                    .kv_heads = config_->kv_heads,
                    .head_size = config_->head_size()},
          .q = saved_.qkv,
          .q_column = 0,
          .k = saved_.qkv,
          .k_column = key_column(),
          .v = saved_.qkv,
          .v_column = value_column(),
          .key_stride = batch.positions,
          .o = saved_.heads_out,
          .log_sum = saved_.log_sum};
}

}  // namespace softmoe::model
