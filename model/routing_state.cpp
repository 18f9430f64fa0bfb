#include "model/routing_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "router/balance.h"
#include "router/layer_means.h"
#include "router/truncation.h"
#include "runtime/base/errors.h"
#include "runtime/ops/accumulate.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::model {

RoutingState::RoutingState(const ModelConfig& config, double total_mass, Device& device,
                           Stream& stream)
    : config_(&config),
      total_mass_(total_mass),
      num_layers_(config.moe_layers()),
      counts_per_layer_(router::CountPlaces{config.experts.num_experts}.size()),
      means_(static_cast<std::size_t>(num_layers_)),
      counts_(device, Bytes(num_layers_ * counts_per_layer_ * size_of(DType::i64))),
      sums_(device, Bytes(num_layers_ * router::kNumRouteSums * size_of(DType::f64))),
      d_k_(device, Bytes(num_layers_ * size_of(DType::f64))),
      balance_LE_(device, Bytes(std::int64_t{num_layers_} * config.experts.num_experts *
                                size_of(DType::f32))),
      host_balance_LE_(static_cast<std::size_t>(num_layers_) * config.experts.num_experts) {
  cuts_.reserve(static_cast<std::size_t>(num_layers_));
  // Nothing ran yet: all coefficients are those of balance.
  set_balance(std::vector<std::int64_t>(static_cast<std::size_t>(num_layers_ * counts_per_layer_)),
              stream);
}

void RoutingState::begin_step(const RoutingControl& control, ConstTensorView eta_L,
                              Stream& stream) {
  control_ = control;
  means_ =
      router::layer_means(config_->router, total_mass_, read_eta(eta_L, stream), std::move(means_));
  ops::fill_zero({counts(), Shape{counts().size()}}, stream);
  ops::fill_zero({sums(), Shape{sums().size()}}, stream);
  ops::fill_zero(d_k_.tensor(DType::f64, {num_layers_}), stream);
}

void RoutingState::set_balance(std::span<const std::int64_t> counts_L, Stream& stream) {
  const std::size_t experts = static_cast<std::size_t>(config_->experts.num_experts);
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(num_layers_); ++layer) {
    router::balance_coefficients(
        config_->router,
        counts_L.subspan(layer * static_cast<std::size_t>(counts_per_layer_),
                         static_cast<std::size_t>(counts_per_layer_)),
        std::span(host_balance_LE_).subspan(layer * experts, experts));
  }
  upload(std::span<const float>(host_balance_LE_), balance_LE_.as<float>(), stream);
}

void RoutingState::set_cuts(std::span<const double> cuts_L) {
  if (!cuts_L.empty() && std::cmp_not_equal(cuts_L.size(), num_layers_)) {
    throw InvalidArgument(
        fmt::format("{} mean cuts for {} layers with experts", cuts_L.size(), num_layers_));
  }
  cuts_.assign(cuts_L.begin(), cuts_L.end());
}

void RoutingState::follow_cuts(std::span<const double> cuts_L) {
  constexpr double kWeight = 0.1;
  const auto is_finite = [](double cut) { return std::isfinite(cut); };
  if (!std::all_of(cuts_L.begin(), cuts_L.end(), is_finite)) return;
  if (cuts_.empty()) {
    set_cuts(cuts_L);
    return;
  }
  for (std::size_t layer = 0; layer < cuts_.size(); ++layer) {
    cuts_[layer] += kWeight * (cuts_L[layer] - cuts_[layer]);
  }
}

void RoutingState::fold_layer_means_gradient(const Parameter& eta, Workspace& work) {
  Stream& stream = work.compute;
  const std::span<const double> values = read_eta(eta.value, stream);
  const HostCopy<double> d_k(d_k_.as<double>(), landed_f64_, stream);
  host_d_eta_ = router::layer_means_vjp(config_->router, total_mass_, values, d_k.wait(),
                                        std::move(host_d_eta_));
  ops::accumulate(eta, work, [&](TensorView d_eta, double) {
    if (d_eta.dtype() == DType::f64) {
      upload(std::span<const double>(host_d_eta_), d_eta.as<double>(), stream);
    } else {
      host_d_eta_f32_.assign(host_d_eta_.begin(), host_d_eta_.end());
      upload(std::span<const float>(host_d_eta_f32_), d_eta.as<float>(), stream);
    }
  });
  ops::fill_zero(d_k_.tensor(DType::f64, {num_layers_}), stream);
}

router::RouteSummary RoutingState::summarise(int moe_layer, std::span<const std::int64_t> counts_L,
                                             std::span<const double> sums_L,
                                             router::RouteSummary memory) const {
  const auto layer = static_cast<std::size_t>(moe_layer);
  const auto per_layer = static_cast<std::size_t>(counts_per_layer_);
  return router::summarise(
      config_->experts.num_experts, counts_L.subspan(layer * per_layer, per_layer),
      sums_L.subspan(layer * router::kNumRouteSums, router::kNumRouteSums), std::move(memory));
}

router::LayerSetting RoutingState::setting(int moe_layer) const {
  const std::int64_t experts = config_->experts.num_experts;
  const bool balanced = config_->router.balance > 0;
  const double lambda =
      cuts_.empty()
          ? control_.lambda
          : router::lambda_of_cut(config_->router, cuts_[static_cast<std::size_t>(moe_layer)]);
  return {.layer = moe_layer,
          .k = means_[static_cast<std::size_t>(moe_layer)],
          .alpha = control_.alpha,
          .lambda = lambda,
          .balance_E = balanced ? View<const float>(balance_LE_.as<float>().part(
                                      moe_layer * experts, (moe_layer + 1) * experts))
                                : View<const float>()};
}

router::RouteStatistics RoutingState::statistics(int moe_layer) const {
  return {
      .counts = counts().part(moe_layer * counts_per_layer_, (moe_layer + 1) * counts_per_layer_),
      .sums =
          sums().part(moe_layer * router::kNumRouteSums, (moe_layer + 1) * router::kNumRouteSums)};
}

TensorView RoutingState::d_k(int moe_layer) const {
  return d_k_.tensor(DType::f64, {num_layers_}).rows(moe_layer, moe_layer + 1);
}

std::span<const double> RoutingState::read_eta(ConstTensorView eta_L, Stream& stream) {
  if (eta_L.dtype() == DType::f64) {
    const HostCopy<double> copy(eta_L.as<double>(), landed_f64_, stream);
    const auto numbers = copy.wait();
    host_eta_.assign(numbers.begin(), numbers.end());
  } else {
    const HostCopy<float> copy(eta_L.as<float>(), landed_f32_, stream);
    const auto numbers = copy.wait();
    host_eta_.assign(numbers.begin(), numbers.end());
  }
  return host_eta_;
}

}  // namespace softmoe::model
