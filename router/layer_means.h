#pragma once

// Learned mean numbers of experts per layer, summing to K (host, fp64; L numbers).

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "router/router_config.h"

namespace softmoe::router {

/// In words why K cannot be shared among so many layers, with the cure, or nothing: simplex wants
/// K >= L, box L box_min <= K <= L box_max.
[[nodiscard]] std::optional<std::string> layer_means_fault(const RouterConfig& config,
                                                           double total_mass, int num_layers);

/// k_l for every layer; the sum is K to rounding. simplex: k_l = 1 + (K - L) softmax(eta)_l
/// (arXiv 2606.17952, as read second-hand); box: k_l = k_min + (k_max - k_min) sigmoid(eta_l - s).
/// uniform: K / L, whatever eta is.
/// @param memory  becomes the result, so that a step allocates nothing; what it holds is lost
/// @throws InvalidArgument naming the limits if K is not feasible.
[[nodiscard]] std::vector<double> layer_means(const RouterConfig& config, double total_mass,
                                              std::span<const double> eta_L,
                                              std::vector<double> memory = {});

/// The gradient of a loss by eta, from its gradient by every k_l.
/// simplex: (K - L) pi_j (g_j - sum_l pi_l g_l); box: s_j (g_j - sum s_l g_l / sum s_l),
/// s_l = (k_max - k_min) sigmoid'(eta_l - s); uniform: 0. The sum is 0.
/// @param memory  as above
[[nodiscard]] std::vector<double> layer_means_vjp(const RouterConfig& config, double total_mass,
                                                  std::span<const double> eta_L,
                                                  std::span<const double> d_k_L,
                                                  std::vector<double> memory = {});

}  // namespace softmoe::router
