#include "router/balance.h"

#include <fmt/format.h>

#include <numeric>

#include "runtime/base/errors.h"

namespace softmoe::router {

void balance_coefficients(const RouterConfig& config, std::span<const std::int64_t> counts,
                          std::span<float> coefficient_E) {
  if (counts.size() < coefficient_E.size()) {
    throw InvalidArgument(fmt::format("balance_coefficients: {} counts for {} experts",
                                      counts.size(), coefficient_E.size()));
  }
  const auto loads = counts.first(coefficient_E.size());
  // f_e / A = load_e / rows: the number of tokens cancels.
  const auto rows =
      static_cast<double>(std::accumulate(loads.begin(), loads.end(), std::int64_t{0}));
  const double experts = static_cast<double>(loads.size());
  for (std::size_t expert = 0; expert < loads.size(); ++expert) {
    const double share = rows > 0 ? static_cast<double>(loads[expert]) / rows : 1 / experts;
    coefficient_E[expert] = static_cast<float>(config.balance * experts * share);
  }
}

}  // namespace softmoe::router
