#pragma once

// Which budgets a model can meet: checks of configuration time, over plain numbers. Each returns
// what is wrong in words, with the nearest values that work, or nothing. Letters: L layers.

#include <optional>
#include <span>
#include <string>

namespace softmoe::budget {

/// The fewest and the most expert executions per token that truncation lets through.
struct ExecutionRange {
  int num_layers = 0;    ///< L with experts
  int floor = 1;         ///< experts a token always gets per layer: 0 or 1
  double cap_sum = 0.0;  ///< sum over layers of the most experts a token can get: min(cap_l, E)
};

/// Refuses B below the floor's L * floor, or above the caps' sum. On the edge it can be met, but
/// only with every token at its floor or its cap: B = L * floor is accepted with floor 1 (one
/// expert each), B <= 0 never.
[[nodiscard]] std::optional<std::string> refuse_budget(double budget, const ExecutionRange& range);

/// Bounds of what each layer executes per token, against what truncation lets through.
struct LayerBounds {
  int num_layers = 0;  ///< L with experts
  int floor = 1;
  double cap = 0.0;                 ///< most experts of a token in one layer
  std::span<const double> cost_L;   ///< of one row; empty: 1 each
  std::span<const double> least_L;  ///< [L]; empty: the floor
  std::span<const double> most_L;   ///< [L]; empty: the cap
};

/// Refuses bounds of another number of layers, a layer whose bounds lie outside of floor and cap or
/// cross over, and a budget that the bounds together do not let through.
[[nodiscard]] std::optional<std::string> refuse_layer_bounds(double budget,
                                                             const LayerBounds& bounds);

/// The sizes that bound the learned means of the simplex k_l = 1 + (K - L) softmax(eta)_l.
struct SimplexRange {
  int num_layers = 0;   ///< L with experts
  int num_experts = 0;  ///< E of each layer
  int cap = 0;          ///< most experts of a token in one layer
};

/// Refuses a soft mass K that the simplex cannot distribute: K below L (every layer has at least
/// 1), or so large that one layer taking all of it, 1 + K - L, would exceed min(E, cap).
[[nodiscard]] std::optional<std::string> refuse_soft_mass(double soft_mass,
                                                          const SimplexRange& range);

}  // namespace softmoe::budget
