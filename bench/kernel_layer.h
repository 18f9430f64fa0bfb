#pragma once

// The operations of one MoE layer over made-up tokens, each ready to be called again and again.

#include <functional>
#include <string_view>
#include <vector>

#include "bench/kernel_costs.h"
#include "runtime/device/workspace.h"
#include "runtime/ops/lapsum.h"
#include "runtime/ops/route_gates.h"
#include "runtime/ops/route_measure.h"
#include "runtime/ops/route_select.h"
#include "runtime/ops/route_softmax.h"

namespace softmoe::bench {

/// One operation on a stream; every call does the same work.
struct KernelCall {
  std::string_view kernel;  ///< as in kernel_costs()
  std::function<void()> enqueue;
};

/// Everything a layer of `size` works on, on one device, with calls for its operations. Every token
/// runs size.rows / size.tokens experts, its best.
class KernelLayer {
 public:
  /// @param work  its arenas hold all tensors as long as this object lives
  KernelLayer(const LayerSize& size, Workspace& work);

  /// N: the rows that the router chose.
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// In the order of kernel_costs().
  [[nodiscard]] const std::vector<KernelCall>& calls() const { return calls_; }

 private:
  /// The tensors of the router, and its operations' arguments over them.
  struct Router {
    TensorView logits_TE, gain_1, d_gain_1, scores_TE, centred_TE, scale_T;
    TensorView d_p_TE, d_scores_TE, d_logits_TE;  ///< apart: what is called again finds its input
    View<std::uint32_t> chosen;
    View<std::int32_t> count_E;
    View<double> d_k;
    View<double> penalty_sums;
    ops::LapsumArguments lapsum;
    ops::RouteChoice choice;
    ops::RouteGatesArguments gates;
    ops::RoutePenaltyArguments penalty;
    ops::RouteMeasures measures;
  };

  [[nodiscard]] Router make_router();
  void add_forward_router_calls();
  void add_backward_router_calls();
  void learn_rows();
  void add_row_calls();
  void add_expert_calls();
  void add_other_calls();
  [[nodiscard]] TensorView numbers(DType dtype, Shape shape, std::uint64_t seed);
  [[nodiscard]] TensorView zeros(DType dtype, Shape shape);
  [[nodiscard]] TensorView room(DType dtype, Shape shape) { return work_.saved.push(dtype, shape); }

  LayerSize size_;
  Workspace& work_;
  DType storage_;
  Router router_;
  std::int64_t rows_ = 0;
  std::vector<std::int64_t> row_begin_e1_;
  std::vector<KernelCall> calls_;
};

}  // namespace softmoe::bench
