#include "model/transformer_size.h"

#include "model/attention_block.h"
#include "model/loss_head.h"
#include "model/norm.h"
#include "runtime/ops/accumulate.h"
#include "runtime/ops/cpu/attention_tile.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::model {

namespace {

/// Walks through a lane as TransformerBlock and LossHead do.
class LaneWalk {
 public:
  LaneWalk(const ModelConfig& config, const LaneSize& lane, WorkspaceMeasure& work)
      : config_(config),
        lane_(lane),
        tokens_(lane.sequences * lane.positions),
        shape_TH_{tokens_, config.hidden},
        saved_(work.saved),
        scratch_(work.scratch),
        activations_(lane.recompute == Recompute::block ? work.scratch : work.saved),
        work_(work) {}

  void run() {
    const MeasureScope saved(saved_);
    const MeasureScope scratch(scratch_);
    saved_.push(lane_.dtype, shape_TH_);
    for (int layer = 0; layer < config_.layers; ++layer) forward(layer);
    scratch_.push(lane_.dtype, shape_TH_);
    loss();
    for (int layer = config_.layers - 1; layer >= 0; --layer) backward(layer);
    contribution({config_.vocabulary, config_.hidden});
  }

 private:
  void forward(int layer) {
    const MeasureScope scope(scratch_);
    saved_.push(lane_.dtype, shape_TH_);
    attend();
    if (is_moe(layer)) experts::measure_forward(moe(), rows(layer), work_);
    if (inner(layer) == 0) return;
    push_inner(layer);
    activation(layer);
  }

  /// Up to the norm behind attention.
  void attend() {
    activations_.push(lane_.dtype, shape_TH_);
    norm(activations_);
    [[maybe_unused]] const AttentionSaved attention =
        push_attention(config_, lane_.dtype, tokens_, activations_);
    attention_tiles(1);
    norm(activations_);
  }

  void push_inner(int layer) { activations_.push(lane_.dtype, {tokens_, 2 * inner(layer)}); }

  void loss() {
    const MeasureScope scope(scratch_);
    norm(saved_);
    scratch_.push(lane_.dtype, shape_TH_);
    // The table's contribution stands while chunks of logits come and go.
    const bool is_exact = lane_.determinism == Determinism::layout_invariant;
    if (is_exact) scratch_.push(lane_.dtype, {config_.vocabulary, config_.hidden});
    [[maybe_unused]] const LossRoom room =
        push_loss(lane_.dtype, tokens_, config_.vocabulary, scratch_);
    scratch_.push(DType::f64, {1});
  }

  void backward(int layer) {
    const MeasureScope scope(scratch_);
    if (lane_.recompute == Recompute::block) {
      attend();
      if (inner(layer) > 0) push_inner(layer);
    }
    scratch_.push(lane_.dtype, shape_TH_);
    if (inner(layer) > 0) feed_forward_backward(layer);
    if (is_moe(layer)) experts::measure_backward(moe(), rows(layer), work_);
    // Attention: gradients of its heads' output, of the projection and of its input.
    scratch_.push(lane_.dtype, {tokens_, config_.heads * config_.head_size()});
    contribution({config_.hidden, config_.heads * config_.head_size()});
    scratch_.push(lane_.dtype, {tokens_, config_.qkv_columns()});
    attention_tiles(2);
    scratch_.push(lane_.dtype, shape_TH_);
    contribution({config_.qkv_columns(), config_.hidden});
    contribution({config_.hidden});
  }

  void norm(ArenaMeasure& memory) {
    [[maybe_unused]] const NormOutput output = push_norm(lane_.dtype, shape_TH_, memory);
  }

  void feed_forward_backward(int layer) {
    const MeasureScope scope(scratch_);
    scratch_.push(lane_.dtype, {tokens_, inner(layer)});
    contribution({2 * inner(layer), config_.hidden});
  }

  /// To the gradient of a parameter of this shape, the larger one where several follow each other.
  void contribution(Shape shape) {
    ops::measure_contribution(lane_.determinism, lane_.dtype, shape, scratch_);
  }

  void activation(int layer) {
    const MeasureScope scope(scratch_);
    scratch_.push(lane_.dtype, {tokens_, inner(layer)});
  }

  /// Blocks of queries, and their scores against a block of keys, for each thread.
  void attention_tiles(int count) {
    const MeasureScope scope(scratch_);
    const ops::AttentionShape shape{.queries = lane_.positions,
                                    .keys = lane_.positions,
                                    .head_size = static_cast<int>(config_.head_size())};
    const std::int64_t elements = ops::cpu::block_elements(shape) + ops::cpu::tile_elements(shape);
    const ops::cpu::WorkerRooms<float> rooms(scratch_, work_.threads, count * elements);
  }

  [[nodiscard]] bool is_moe(int layer) const { return layer >= config_.dense_layers; }
  [[nodiscard]] std::int64_t inner(int layer) const {
    return is_moe(layer) ? config_.shared_inner : config_.dense_inner;
  }
  [[nodiscard]] const experts::LayerRows& rows(int layer) const {
    return lane_.rows_L[static_cast<std::size_t>(layer - config_.dense_layers)];
  }
  [[nodiscard]] experts::MoeLayerSize moe() const {
    return {.router = config_.router,
            .tokens = tokens_,
            .hidden = config_.hidden,
            .inner = config_.experts.inner,
            .num_experts = config_.experts.num_experts,
            .expert_parallel = lane_.expert_parallel,
            .exchange_chunks = lane_.exchange_chunks,
            .keep = lane_.recompute == Recompute::block ? experts::Keep::plan : experts::Keep::rows,
            .has_quota = lane_.has_quota,
            .determinism = lane_.determinism,
            .dtype = lane_.dtype};
  }

  const ModelConfig& config_;
  const LaneSize& lane_;
  std::int64_t tokens_;
  Shape shape_TH_;
  ArenaMeasure& saved_;
  ArenaMeasure& scratch_;
  ArenaMeasure& activations_;  ///< of blocks: kept, or gone with the pass
  WorkspaceMeasure& work_;
};

}  // namespace

void measure_lane(const ModelConfig& config, const LaneSize& lane, WorkspaceMeasure& work) {
  LaneWalk(config, lane, work).run();
}

}  // namespace softmoe::model
