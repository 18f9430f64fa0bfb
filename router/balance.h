#pragma once

// The Switch balance loss for a variable number of experts per token. Letters: T tokens, E experts.

#include <cstdint>
#include <span>

#include "router/router_config.h"

namespace softmoe::router {

/// The loss is a sum over tokens, c E sum_e f_e sum_t pi_te / A (Fedus et al., arXiv 2101.03961,
/// eq. 4, divided by the mean number of active experts A so that its value at balance is c per
/// token whatever A is). pi is this step's softmax; f_e, the share of tokens that run expert e, and
/// A = sum f are constants from the exact global counts of the step before, so a router never
/// communicates.
///
/// This fills coefficient_E[e] = c E f_e / A, what LayerSetting::balance_E wants on the device.
/// Without counts (step 0, or nothing ran) f = A / E: every coefficient is c.
///
/// @param counts         of one layer, summed over all ranks: at least the E loads (CountPlaces)
/// @param coefficient_E  [E]
/// @throws InvalidArgument naming the sizes if there are fewer counts than experts.
void balance_coefficients(const RouterConfig& config, std::span<const std::int64_t> counts,
                          std::span<float> coefficient_E);

}  // namespace softmoe::router
