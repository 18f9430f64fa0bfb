#pragma once

// The MoE layer: route, dispatch, run, combine, and back.
// Letters: T tokens on this rank, H hidden, E experts, e experts here, N rows sent, M received.

#include <cstdint>

#include "experts/expert_placement.h"
#include "experts/grouped_ffn.h"
#include "parallel/row_exchange.h"
#include "router/router.h"

namespace softmoe::experts {

/// The trained tensors of one MoE layer.
struct MoeWeights {
  Parameter router_EH;  ///< [E, H]
  Parameter gain_1;     ///< [1], read only with score normalisation `token`
  GroupedFfnWeights ffn;
};

/// Rows of the last exchange, for bookkeeping.
struct MoeTraffic {
  std::int64_t rows_sent = 0;           ///< N
  std::int64_t rows_received = 0;       ///< M
  std::int64_t rows_sent_off_rank = 0;  ///< of N
};

/// One layer's passes. Holds the plan between forward and backward, which must alternate (backward
/// may be left out for inference). Every rank of the group makes every call, also with T = 0.
class MoeLayer {
 public:
  /// @param config    outlives the layer
  /// @param placement of the experts over the ranks of `ep`
  /// @param ep        the expert-parallel group; outlives the layer
  MoeLayer(const router::RouterConfig& config, const ExpertPlacement& placement,
           parallel::Communicator& ep);

  /// y_TH += sum over each token's experts of gate * expert(x). Activations go to work.saved.
  /// @param arguments  setting, tokens, mode and gain of the router; its logits are computed here
  void forward(const MoeWeights& weights, ConstTensorView x_TH, TensorView y_TH,
               const router::RouteArguments& arguments, const router::RouteStatistics& statistics,
               Workspace& work);

  /// d_x_TH += the gradient of x; weights' gradients and d_k (f64 [1]) are added to.
  /// @param d_y_TH  gradient of y
  void backward(const MoeWeights& weights, ConstTensorView d_y_TH, TensorView d_x_TH,
                TensorView d_k, Workspace& work);

  [[nodiscard]] const router::RoutePlan& plan() const { return plan_; }
  [[nodiscard]] MoeTraffic traffic() const {
    return {exchange_.rows_sent(), exchange_.rows_received(), exchange_.rows_sent_off_rank()};
  }

 private:
  /// The order in which rows travel: by expert, and within an expert by token. [room for rows]
  struct RowOrder {
    View<std::int32_t> row_at;    ///< place in the send buffer -> row of the plan
    View<std::int32_t> token_at;  ///< place in the send buffer -> token
    View<std::int32_t> place_of;  ///< row of the plan -> place in the send buffer
  };

  void order_rows(Workspace& work);
  [[nodiscard]] TensorView pack(ConstTensorView table, View<std::int32_t> source,
                                Workspace& work) const;
  void to_experts(ConstTensorView sent, TensorView received, Workspace& work);
  void to_tokens(ConstTensorView received, TensorView sent, Workspace& work);
  void combine(ConstTensorView rows_NH, TensorView y_TH, Workspace& work) const;
  [[nodiscard]] int layer() const { return arguments_.setting.layer; }

  const router::RouterConfig* config_;
  ExpertPlacement placement_;
  parallel::CountGather counts_;
  parallel::RowExchange exchange_;

  // Of the last forward pass, for backward.
  router::RouteArguments arguments_;
  router::RoutePlan plan_;
  RowOrder order_;
  ConstTensorView x_TH_;
  GroupedFfnRows rows_;
};

}  // namespace softmoe::experts
