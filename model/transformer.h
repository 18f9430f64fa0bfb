#pragma once

// The language model. Letters: T tokens, B sequences, H hidden, V vocabulary, L MoE layers.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/loss_head.h"
#include "model/routing_state.h"
#include "model/transformer_block.h"
#include "model/transformer_parameters.h"
#include "parallel/communicator.h"

namespace softmoe::model {

/// What routing depends on besides the scores.
struct StepContext {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  router::RouteMode mode = router::RouteMode::training;
  /// Replay: the experts to run, one plan per MoE layer; empty otherwise.
  std::span<const router::RoutePlan> given;
  /// Rows that this batch runs in each MoE layer (router::LayerSetting::quota); empty: what is
  /// above the surface.
  std::span<const std::int64_t> quota_L = {};
};

/// A decoder-only transformer whose experts are spread over the ranks of a group. Every rank makes
/// the same calls, also with no tokens of its own. Sums are over this rank's tokens.
class Transformer {
 public:
  struct Options {
    const ModelConfig& config;   ///< outlives the model
    parallel::Communicator& ep;  ///< outlives the model
    double total_mass = 0;       ///< K
    DType dtype = DType::f32;
    std::uint64_t seed = 0;              ///< of the initial values
    int exchange_chunks = 1;             ///< experts::Receiving::chunks
    std::int64_t max_received_rows = 0;  ///< experts::Receiving::max_rows
    Recompute recompute = Recompute::none;
    /// Set: gradients are exact sums in this format, and what a lane contributes depends on the
    /// lane alone, so that all is the same on any layout of ranks. f32 and f64 on the processor.
    std::optional<FixedPoint> exact_gradients = std::nullopt;
  };

  Transformer(const Options& options, Device& device, Stream& stream);

  /// loss_sum += the cross-entropy of the batch, summed over its tokens. @param loss_sum f64 [1]
  void add_loss(const Batch& batch, const StepContext& context, TensorView loss_sum,
                Workspace& work);
  /// The same, and the gradient of (cross-entropy + balance terms), summed over tokens, is added to
  /// every parameter's but eta's: see RoutingState::fold_layer_means_gradient().
  void add_loss_and_gradient(const Batch& batch, const StepContext& context, TensorView loss_sum,
                             Workspace& work);
  /// Appends the batch to the cached sequences; logits_BV := those of the last positions.
  void decode(const Batch& batch, const StepContext& context, KvCache& cache, TensorView logits_BV,
              Workspace& work);

  [[nodiscard]] const ModelConfig& config() const { return *config_; }
  [[nodiscard]] ParameterStore& parameters() { return parameters_; }
  [[nodiscard]] RoutingState& routing() { return routing_; }
  /// eta [L]: what the layers' mean numbers of experts are learned through.
  [[nodiscard]] Parameter eta() const { return parameters_[ids_.eta]; }
  /// Starts a step: k of every layer from eta, statistics at zero.
  void begin_step(const RoutingControl& control, Stream& stream) {
    routing_.begin_step(control, eta().value, stream);
  }
  /// The MoE layer number `moe_layer`, for its plan and traffic.
  [[nodiscard]] const experts::MoeLayer& moe(int moe_layer) const;

 private:
  void build_block(int layer, const Options& options);
  [[nodiscard]] TensorView embed(const Batch& batch, Workspace& work) const;
  [[nodiscard]] TensorView run_blocks(const Batch& batch, const StepContext& context,
                                      TensorView x_TH, KvCache* cache, Workspace& work);
  [[nodiscard]] BlockRouting routing_of(int layer, const Batch& batch,
                                        const StepContext& context) const;

  const ModelConfig* config_;
  ParameterStore parameters_;
  RoutingState routing_;
  TransformerIds ids_;
  std::vector<TransformerBlock> blocks_;
  std::optional<LossHead> head_;  // made once the parameters have memory
};

}  // namespace softmoe::model
