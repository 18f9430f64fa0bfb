#include "router/layer_means.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::router {

namespace {

void require_feasible(const RouterConfig& config, double total_mass, std::size_t num_layers) {
  const std::optional<std::string> fault =
      layer_means_fault(config, total_mass, static_cast<int>(num_layers));
  if (fault) throw InvalidArgument("layer_means: " + *fault);
}

void softmax(std::span<const double> eta_L, std::span<double> pi_L) {
  const double largest = *std::max_element(eta_L.begin(), eta_L.end());
  for (std::size_t l = 0; l < pi_L.size(); ++l) pi_L[l] = std::exp(eta_L[l] - largest);
  const double sum = std::accumulate(pi_L.begin(), pi_L.end(), 0.0);
  for (double& pi : pi_L) pi /= sum;
}

// 1 / (1 + e^-x) in the form whose exponential cannot overflow.
double logistic(double x) {
  const double tail = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
}

class Box {
 public:
  Box(const RouterConfig& config, double total_mass, std::span<const double> eta_L)
      : low_(config.box_min), range_(config.box_max - config.box_min), eta_L_(eta_L) {
    const auto layers = static_cast<double>(eta_L.size());
    shift_ = solve((total_mass - layers * low_) / range_);
  }

  [[nodiscard]] double mean(std::size_t layer) const {
    return low_ + range_ * logistic(eta_L_[layer] - shift_);
  }
  /// d mean / d eta, the shift held.
  [[nodiscard]] double slope(std::size_t layer) const {
    const double x = eta_L_[layer] - shift_;
    return range_ * logistic(x) * logistic(-x);
  }

 private:
  // The sum of logistics falls strictly from L to 0 as the shift rises. At the edges of the box,
  // where no finite shift does it, the bracket's end is exact to rounding.
  [[nodiscard]] double solve(double wanted) const {
    constexpr double kSaturated = 40;  // logistic(-40) = 4e-18
    const auto [least, largest] = std::minmax_element(eta_L_.begin(), eta_L_.end());
    double low = *least - kSaturated;
    double high = *largest + kSaturated;
    while (true) {
      const double middle = low + (high - low) / 2;
      if (middle <= low || middle >= high) return middle;
      double sum = 0;
      for (const double eta : eta_L_) sum += logistic(eta - middle);
      (sum > wanted ? low : high) = middle;
    }
  }

  double low_;
  double range_;
  std::span<const double> eta_L_;
  double shift_ = 0;
};

}  // namespace

std::optional<std::string> layer_means_fault(const RouterConfig& config, double total_mass,
                                             int num_layers) {
  const double layers = num_layers;
  if (num_layers < 1) return "there is no layer to share the soft mass";
  if (!std::isfinite(total_mass) || total_mass <= 0) {
    return fmt::format("the total soft mass is {}, but must be above 0", total_mass);
  }
  if (config.layer_means == LayerMeans::simplex && total_mass < layers) {
    return fmt::format(
        "a total soft mass of {} gives {} layers less than 1 each: raise total_mass to {} or more, "
        "or set layer_means to uniform or box",
        total_mass, num_layers, num_layers);
  }
  if (config.layer_means == LayerMeans::box &&
      (total_mass < layers * config.box_min || total_mass > layers * config.box_max)) {
    return fmt::format(
        "a total soft mass of {} does not fit {} layers of {} to {} each: choose it from {} to {}, "
        "or "
        "change box_min and box_max",
        total_mass, num_layers, config.box_min, config.box_max, layers * config.box_min,
        layers * config.box_max);
  }
  return std::nullopt;
}

std::vector<double> layer_means(const RouterConfig& config, double total_mass,
                                std::span<const double> eta_L, std::vector<double> memory) {
  require_feasible(config, total_mass, eta_L.size());
  const auto layers = static_cast<double>(eta_L.size());
  std::vector<double> means = std::move(memory);
  means.resize(eta_L.size());
  switch (config.layer_means) {
    case LayerMeans::uniform:
      std::fill(means.begin(), means.end(), total_mass / layers);
      break;
    case LayerMeans::simplex:
      softmax(eta_L, means);
      for (double& mean : means) mean = 1 + (total_mass - layers) * mean;
      break;
    case LayerMeans::box: {
      const Box box(config, total_mass, eta_L);
      for (std::size_t l = 0; l < means.size(); ++l) means[l] = box.mean(l);
      break;
    }
  }
  return means;
}

std::vector<double> layer_means_vjp(const RouterConfig& config, double total_mass,
                                    std::span<const double> eta_L, std::span<const double> d_k_L,
                                    std::vector<double> memory) {
  require_feasible(config, total_mass, eta_L.size());
  require(d_k_L.size() == eta_L.size(), "layer_means_vjp wants one gradient for every layer");
  std::vector<double> weights = std::move(memory);
  weights.assign(eta_L.size(), 0.0);
  if (config.layer_means == LayerMeans::uniform) return weights;
  if (config.layer_means == LayerMeans::simplex) {
    softmax(eta_L, weights);
    const double free_mass = total_mass - static_cast<double>(eta_L.size());
    for (double& weight : weights) weight *= free_mass;
  } else {
    const Box box(config, total_mass, eta_L);
    for (std::size_t l = 0; l < weights.size(); ++l) weights[l] = box.slope(l);
  }
  // Both are w_j (g_j - mean of g under w): what one layer gains the others lose.
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double weighted = std::inner_product(weights.begin(), weights.end(), d_k_L.begin(), 0.0);
  const double mean = sum > 0 ? weighted / sum : 0.0;
  for (std::size_t l = 0; l < weights.size(); ++l) weights[l] *= d_k_L[l] - mean;
  return weights;
}

}  // namespace softmoe::router
