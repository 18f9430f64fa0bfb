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

/// Rows of the last pass, for bookkeeping.
struct MoeTraffic {
  std::int64_t rows_sent = 0;            ///< N
  std::int64_t rows_received = 0;        ///< M
  std::int64_t rows_sent_off_rank = 0;   ///< of N
  std::int64_t rows_again_off_rank = 0;  ///< of N: backward dispatches them a second time
  std::int64_t waves = 1;                ///< 1: all rows were received at once
};

/// How a layer takes in rows.
struct Receiving {
  /// At least 1: rows of one chunk of experts travel while those of another are worked on. At most
  /// one chunk per local expert is made; results are the same bits for any number.
  int chunks = 1;
  /// Rows that a rank may hold at once; 0: no bound. Where the counts say that some rank would
  /// receive more, all ranks run the layer in waves, and keep the plan alone. Equal on all ranks.
  std::int64_t max_rows = 0;
  Keep keep = Keep::rows;
  /// layout_invariant: rows of each rank are multiplied by themselves, so that results depend on
  /// nothing but the tokens of one rank. Not in waves, which cut those rows.
  Determinism determinism = Determinism::repeatable;
};

/// One layer's passes. Holds the plan between forward and backward, which must alternate (backward
/// may be left out for inference). Every rank of the group makes every call, also with T = 0.
class MoeLayer {
 public:
  /// @param config    outlives the layer
  /// @param placement of the experts over the ranks of `ep`
  /// @param ep        the expert-parallel group; outlives the layer
  MoeLayer(const router::RouterConfig& config, const ExpertPlacement& placement,
           parallel::Communicator& ep, const Receiving& receiving);

  /// y_TH = residual_TH + sum over each token's experts of gate * expert(x). Activations go to
  /// work.saved.
  /// @param residual_TH  may be y_TH, to add to it, or a default one, for nothing
  /// @param arguments    setting, tokens, mode and gain of the router; its logits are computed here
  void forward(const MoeWeights& weights, ConstTensorView x_TH, ConstTensorView residual_TH,
               TensorView y_TH, const router::RouteArguments& arguments,
               const router::RouteStatistics& statistics, Workspace& work);

  /// The input of the last forward pass stands elsewhere now: it was computed again.
  void move_input(ConstTensorView x_TH) { x_TH_ = x_TH; }

  /// d_x_TH = onto_TH + the gradient of x; weights' gradients and d_k (f64 [1]) are added to.
  /// @param d_y_TH   gradient of y
  /// @param onto_TH  may be d_x_TH, to add to it, or a default one, for nothing
  void backward(const MoeWeights& weights, ConstTensorView d_y_TH, ConstTensorView onto_TH,
                TensorView d_x_TH, TensorView d_k, Workspace& work);

  [[nodiscard]] const router::RoutePlan& plan() const { return plan_; }
  [[nodiscard]] MoeTraffic traffic() const;

 private:
  /// What is sent to the experts in forward, and in backward if its rows were not kept.
  struct Sent {
    TensorView x_NH;
    TensorView gate_N1;
  };
  /// What is sent in backward and comes back in its place: d_y, which becomes d_x, and of the
  /// gates.
  struct SentGradients {
    TensorView d_sent_NH;
    TensorView d_placed_gate_N1;
  };

  /// One rank has all experts: rows have nowhere to go, and nobody's counts are waited for.
  [[nodiscard]] bool is_alone() const { return placement_.num_ranks() == 1; }
  /// Then the order of sending is that of arrival, and rows are packed where they are worked on.
  [[nodiscard]] bool stays_here() const { return is_alone() && waves_ == 1; }
  void forward_here(const MoeWeights& weights, ConstTensorView residual_TH, TensorView y_TH,
                    Workspace& work);
  void backward_here(const MoeWeights& weights, ConstTensorView d_y_TH, ConstTensorView onto_TH,
                     TensorView d_x_TH, TensorView d_k, Workspace& work);
  void pack_here(Workspace& work) const;

  void order_rows(Workspace& work);
  [[nodiscard]] TensorView pack(ConstTensorView table, View<std::int32_t> source,
                                Workspace& work) const;
  /// As many rows as `packed` has.
  void pack_into(ConstTensorView table, View<std::int32_t> source, TensorView packed,
                 Workspace& work) const;
  [[nodiscard]] Sent pack_sent(Workspace& work) const;
  [[nodiscard]] bool keeps_rows() const { return receiving_.keep == Keep::rows && waves_ == 1; }
  /// Plans the waves of a forward pass, by the counts of all ranks, and enters the first.
  void plan_waves();
  /// Plans a later wave, or the first of backward.
  void enter_wave(std::int64_t wave, Workspace& work);
  /// Room for the rows of the wave. @param memory  saved or scratch
  void push_rows(const MoeWeights& weights, Arena& memory);
  /// One wave there and back. @param returned_NH  where each row's output replaces what was sent
  void forward_wave(const MoeWeights& weights, const Sent& sent, TensorView returned_NH,
                    Workspace& work);
  /// @param again  what was sent, to be sent once more; empty if its rows were kept
  void backward_wave(const MoeWeights& weights, const Sent& again, const SentGradients& gradients,
                     Workspace& work);
  /// Sends `out` to the experts, calls run(chunk) for each chunk of them as its rows have arrived,
  /// and brings `back` to the tokens. On the streams that is out 0, out 1, ... | run 0 | back 0 |
  /// run 1 | back 1 ..., with out 1 beside run 0 and back 0 beside run 1.
  template <class Run>
  void run_chunks(std::span<const parallel::RowJourney> out, Run run,
                  std::span<const parallel::RowJourney> back, Workspace& work);
  /// y_TH = onto_TH + the sum of each token's rows.
  void combine(ConstTensorView rows_NH, ConstTensorView onto_TH, TensorView y_TH,
               Workspace& work) const;
  void add_route_gradients(const MoeWeights& weights, ConstTensorView d_placed_gate_N1,
                           TensorView d_x_TH, TensorView d_k, Workspace& work) const;
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
  Receiving receiving_;
  std::vector<Event> arrived_;  ///< of each chunk: its rows are here
  std::vector<Event> done_;     ///< of each chunk: its experts have run

  // Of the last forward pass, for backward.
  router::RouteArguments arguments_;
  router::RoutePlan plan_;
  RowOrder order_;
  ConstTensorView x_TH_;
  std::span<const std::int32_t> count_PE_;  ///< of all ranks; stays until the next forward
  std::int64_t waves_ = 1;
  ReceivedRows received_;  ///< of the wave
  GroupedFfnRows rows_;    ///< the same as the experts take them
};

}  // namespace softmoe::experts
