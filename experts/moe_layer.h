#pragma once

// The MoE layer: route, dispatch, run, combine, and back.
// Letters: T tokens on this rank, H hidden, E experts, e experts here, N rows sent, M received.

#include <cstdint>
#include <span>
#include <vector>

#include "experts/expert_chunks.h"
#include "experts/expert_placement.h"
#include "experts/grouped_ffn.h"
#include "experts/moe_memory.h"
#include "parallel/row_exchange.h"
#include "router/router.h"
#include "runtime/base/determinism.h"

namespace softmoe::experts {

/// The trained tensors of one MoE layer. The router's are f32 in a bf16 model: its scores are never
/// rounded to 8 bits.
struct MoeWeights {
  Parameter router_EH;  ///< [E, H], f64 beside f64, else f32
  Parameter gain_1;     ///< [1] likewise, read only with score normalisation `token`
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
  /// @param exchange_chunks  at least 1: rows of one chunk of experts travel while those of another
  ///                  are worked on. At most one chunk per local expert is made; results are the
  ///                  same bits for any number.
  /// @param determinism  layout_invariant: rows of each rank are multiplied by themselves, so that
  ///                  results depend on nothing but the tokens of one rank
  MoeLayer(const router::RouterConfig& config, const ExpertPlacement& placement,
           parallel::Communicator& ep, int exchange_chunks,
           Determinism determinism = Determinism::repeatable);

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
  void order_rows(Workspace& work);
  /// Rows on their way: to the experts from [N, row] to [M, row], back the other way round.
  struct Journey {
    ConstTensorView from;
    TensorView to;
  };

  [[nodiscard]] TensorView pack(ConstTensorView table, View<std::int32_t> source,
                                Workspace& work) const;
  /// Sends `out` to the experts, calls run(chunk) for each chunk of them as its rows have arrived,
  /// and brings `back` to the tokens. On the streams that is out 0, out 1, ... | run 0 | back 0 |
  /// run 1 | back 1 ..., with out 1 beside run 0 and back 0 beside run 1.
  template <class Run>
  void run_chunks(std::span<const Journey> out, Run run, std::span<const Journey> back,
                  Workspace& work);
  void combine(ConstTensorView rows_NH, TensorView y_TH, Workspace& work) const;
  /// The gradients of the router's weights and of its input, from those of the logits.
  void add_router_gradients(const MoeWeights& weights, ConstTensorView d_logits_TE,
                            TensorView d_x_TH, Workspace& work) const;
  [[nodiscard]] int layer() const { return arguments_.setting.layer; }
  /// Where the rows of each run of each expert here begin.
  [[nodiscard]] std::span<const std::int64_t> row_begin() const {
    return runs_ == 1 ? exchange_.cell_begin() : exchange_.run_begin();
  }

  const router::RouterConfig* config_;
  ExpertPlacement placement_;
  int runs_;  ///< that the rows of each expert are multiplied in
  parallel::CountGather counts_;
  parallel::RowExchange exchange_;
  ExpertChunks chunks_;
  std::vector<Event> arrived_;  ///< of each chunk: its rows are here
  std::vector<Event> done_;     ///< of each chunk: its experts have run

  // Of the last forward pass, for backward.
  router::RouteArguments arguments_;
  router::RoutePlan plan_;
  RowOrder order_;
  ConstTensorView x_TH_;
  GroupedFfnRows rows_;
};

}  // namespace softmoe::experts
