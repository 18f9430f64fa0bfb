#pragma once

// A layer to route, on a device, with statistics and the plan on the host.

#include <optional>
#include <random>
#include <vector>

#include "router/router.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// The plan of a case, on the host.
struct HostPlan {
  std::vector<std::int32_t> row_begin;
  std::vector<std::int32_t> expert;
  std::vector<double> gate;
  std::vector<std::int32_t> count;

  friend bool operator==(const HostPlan&, const HostPlan&) = default;
  /// Experts of one token.
  [[nodiscard]] std::vector<std::int32_t> experts_of(std::size_t token) const {
    return {expert.begin() + row_begin[token], expert.begin() + row_begin[token + 1]};
  }
  [[nodiscard]] std::vector<double> gates_of(std::size_t token) const {
    return {gate.begin() + row_begin[token], gate.begin() + row_begin[token + 1]};
  }
};

/// Logits of one layer and what governs it.
struct RoutingCase {
  router::RouterConfig config;
  int tokens = 0;
  int experts = 0;
  std::vector<double> logits;
  double gain = 1.0;
  double k = 2.0;
  double alpha = 1.0;
  double lambda = 0.0;
  std::optional<std::int64_t> quota = std::nullopt;
  std::vector<float> balance;
  std::vector<std::int32_t> token_ids;
  router::TokenIdentity identity;
  router::RouteMode mode = router::RouteMode::training;
};

/// Normal logits times `spread`.
inline RoutingCase normal_case(int tokens, int experts, double spread = 1.0,
                               std::uint64_t seed = 1) {
  RoutingCase result{.config = {}, .tokens = tokens, .experts = experts};
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0.0, spread);
  for (int i = 0; i < tokens * experts; ++i) {
    result.logits.push_back(static_cast<float>(normal(random)));
  }
  return result;
}

/// The case on the device, in T = float or double.
template <class T>
router::RouteArguments arguments_of(OnDevice& device, const RoutingCase& routing) {
  router::RouteArguments arguments{
      .logits_TE = device.upload(std::vector<T>(routing.logits.begin(), routing.logits.end()),
                                 {routing.tokens, routing.experts}),
      .gain = device.upload(std::vector<T>{static_cast<T>(routing.gain)}, {1}),
      .setting = {.layer = 3,
                  .k = routing.k,
                  .alpha = routing.alpha,
                  .lambda = routing.lambda,
                  .balance_E = device.upload(routing.balance),
                  .quota = routing.quota},
      .tokens = routing.identity,
      .mode = routing.mode};
  arguments.tokens.token_id_T = device.upload(routing.token_ids);
  return arguments;
}

inline router::RouteStatistics zero_statistics(OnDevice& device, int experts) {
  const auto counts = static_cast<std::size_t>(router::CountPlaces{experts}.size());
  return {.counts = device.upload(std::vector<std::int64_t>(counts)),
          .sums = device.upload(std::vector<double>(router::kNumRouteSums))};
}

/// A routed case, in T = float or double.
template <class T>
class Routed {
 public:
  Routed(OnDevice& device, const RoutingCase& routing, const router::RoutePlan* given = nullptr)
      : device_(&device),
        config_(routing.config),
        arguments_(arguments_of<T>(device, routing)),
        statistics_(zero_statistics(device, routing.experts)) {
    arguments_.given = given;
    plan_ = router::route(config_, arguments_, statistics_, device.work);
  }

  [[nodiscard]] const router::RoutePlan& plan() const { return plan_; }
  [[nodiscard]] HostPlan host_plan() const {
    HostPlan host{.row_begin = device_->download(plan_.row_begin_T1),
                  .expert = device_->download(plan_.expert_N),
                  .gate = {},
                  .count = device_->download(plan_.count_E)};
    const auto rows = static_cast<std::size_t>(host.row_begin.back());
    const std::vector<T> gates = device_->download<T>(plan_.gate_N);
    host.gate.assign(gates.begin(), gates.begin() + static_cast<std::ptrdiff_t>(rows));
    host.expert.resize(rows);
    return host;
  }
  [[nodiscard]] std::vector<std::int64_t> counts() const {
    return device_->download(statistics_.counts);
  }
  [[nodiscard]] std::vector<double> sums() const { return device_->download(statistics_.sums); }

  struct Gradients {
    std::vector<T> d_logits;
    double d_gain = 0;
    double d_k = 0;
  };
  [[nodiscard]] Gradients backward(const std::vector<double>& d_gate) const {
    std::vector<T> padded(d_gate.begin(), d_gate.end());
    padded.resize(static_cast<std::size_t>(plan_.row_capacity));
    const TensorView d_logits = device_->saved.push(dtype_of<T>, arguments_.logits_TE.shape());
    const TensorView d_gain = device_->upload(std::vector<T>{0}, {1});
    const TensorView d_k = device_->upload(std::vector<double>{0}, {1});
    router::RouteArguments forward = arguments_;
    forward.given = nullptr;
    router::route_backward(config_,
                           {.plan = plan_,
                            .forward = forward,
                            .d_gate_N = device_->upload(padded, {plan_.row_capacity}),
                            .d_logits_TE = d_logits,
                            .d_gain = d_gain,
                            .d_k = d_k},
                           device_->work);
    return {.d_logits = device_->download<T>(d_logits),
            .d_gain = static_cast<double>(device_->download<T>(d_gain)[0]),
            .d_k = device_->download<double>(d_k)[0]};
  }

 private:
  OnDevice* device_;
  router::RouterConfig config_;
  router::RouteArguments arguments_;
  router::RouteStatistics statistics_;
  router::RoutePlan plan_;
};

}  // namespace softmoe::test
