#pragma once

// A whole MoE layer over made-up numbers on one device. Letters: T tokens, H hidden.

#include "bench/kernel_costs.h"
#include "bench/routing_workload.h"
#include "experts/moe_layer.h"

namespace softmoe::bench {

/// The numbers are functions of their places: layers of fewer tokens are about the first of them,
/// on every device.
class MadeUpLayer {
 public:
  /// Kind top_k runs size.rows / size.tokens experts a token, softmoe size.rows by its quota.
  /// @param tokens  at most size.tokens
  /// @param alone   a world of one rank
  MadeUpLayer(const LayerSize& size, router::RouterKind kind, std::int64_t tokens,
              parallel::Communicator& alone, Workspace& work);

  /// y of the tokens. backward() must follow.
  /// @param given  decisions to run under; nullptr: the router decides
  void forward(const router::RoutePlan* given = nullptr);
  /// d_x of the tokens, and gradients of all weights.
  void backward();

  /// Of the first `tokens`, between forward and backward: what the router decided.
  [[nodiscard]] TokenExperts choices(std::int64_t tokens) const;
  /// Rows of the last pass.
  [[nodiscard]] std::int64_t rows() const { return layer_.traffic().rows_received; }
  /// Of the first tokens, as f32. Wait for the device.
  [[nodiscard]] std::vector<float> y(std::int64_t tokens) const { return on_host(y_TH_, tokens); }
  [[nodiscard]] std::vector<float> d_x(std::int64_t tokens) const {
    return on_host(d_x_TH_, tokens);
  }

 private:
  [[nodiscard]] TensorView numbers(DType dtype, Shape shape, std::uint64_t seed, double scale);
  [[nodiscard]] TensorView zeros(DType dtype, Shape shape);
  [[nodiscard]] Parameter parameter(DType dtype, Shape shape, std::uint64_t seed, double scale);
  [[nodiscard]] std::vector<float> on_host(TensorView numbers_TH, std::int64_t tokens) const;

  Workspace& work_;
  router::RouterConfig router_;
  experts::ExpertPlacement placement_;
  experts::MoeLayer layer_;
  router::RouteArguments arguments_;
  experts::MoeWeights weights_;
  router::RouteStatistics statistics_;
  TensorView x_TH_;
  TensorView d_y_TH_;
  TensorView y_TH_;
  TensorView d_x_TH_;
  TensorView d_k_;
  Arena::Mark saved_mark_ = 0;
};

}  // namespace softmoe::bench
