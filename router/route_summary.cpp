#include "router/route_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::router {

namespace {

void fill_loads(RouteSummary& summary, std::span<const std::int64_t> loads) {
  summary.loads.assign(loads.begin(), loads.end());
  summary.dead_experts = static_cast<int>(std::count(loads.begin(), loads.end(), 0));
  if (summary.rows > 0) {
    const auto largest = static_cast<double>(*std::max_element(loads.begin(), loads.end()));
    summary.imbalance =
        largest * static_cast<double>(loads.size()) / static_cast<double>(summary.rows);
  }
}

}  // namespace

RouteSummary summarise(int num_experts, std::span<const std::int64_t> counts,
                       std::span<const double> sums, RouteSummary memory) {
  const CountPlaces places{num_experts};
  if (std::ssize(counts) != places.size() || std::ssize(sums) != kNumRouteSums) {
    throw InvalidArgument(
        fmt::format("summarise: {} counts and {} sums, but {} experts have {} and {}",
                    counts.size(), sums.size(), num_experts, places.size(), kNumRouteSums));
  }
  const auto count = [&](int place) { return counts[static_cast<std::size_t>(place)]; };
  RouteSummary summary{.loads = std::move(memory.loads),
                       .tokens_by_experts = std::move(memory.tokens_by_experts)};
  summary.tokens = count(places.tokens());
  summary.rows = count(places.rows());
  fill_loads(summary, counts.first(static_cast<std::size_t>(num_experts)));
  const auto sizes = counts.subspan(static_cast<std::size_t>(places.experts_run(0)));
  summary.tokens_by_experts.assign(sizes.begin(), sizes.end());
  if (summary.tokens == 0) return summary;

  const auto tokens = static_cast<double>(summary.tokens);
  const auto share = [&](int place) { return static_cast<double>(count(place)) / tokens; };
  const auto mean = [&](RouteSum which) { return sums[static_cast<std::size_t>(which)] / tokens; };
  summary.mean_experts = share(places.rows());
  summary.boundary_mass = mean(RouteSum::boundary_mass);
  summary.density = share(places.near_surface()) / (2 * kSurfaceHalfWidth);
  summary.gate_sum = mean(RouteSum::gate_sum);
  summary.dropped_mass = mean(RouteSum::dropped_mass);
  summary.score_std = std::sqrt(mean(RouteSum::score_square) / num_experts);
  summary.entropy = mean(RouteSum::entropy);
  summary.balance_loss = mean(RouteSum::balance_loss);
  summary.z_loss = mean(RouteSum::z_loss);
  summary.cut = mean(RouteSum::cut);
  summary.floor_rate = share(places.at_floor());
  summary.cap_rate = share(places.at_cap());
  const auto margins = counts.subspan(static_cast<std::size_t>(places.margin(0)),
                                      static_cast<std::size_t>(kMarginBins));
  summary.margin_low = margin_quantile(margins, 0.1);
  summary.margin_median = margin_quantile(margins, 0.5);
  return summary;
}

double margin_quantile(std::span<const std::int64_t> margin_bins, double share) {
  require(std::ssize(margin_bins) == kMarginBins, "margin_quantile wants all bins of the margin");
  const auto total = std::accumulate(margin_bins.begin(), margin_bins.end(), std::int64_t{0});
  double wanted = share * static_cast<double>(total);
  for (int bin = 0; bin + 1 < kMarginBins; ++bin) {
    const auto here = static_cast<double>(margin_bins[static_cast<std::size_t>(bin)]);
    if (here > 0 && wanted <= here) {
      // Below the first edge margins are spread evenly, not by their logarithm: the density of
      // scores at the surface is finite.
      if (bin == 0) return margin_bin_edge(0) * wanted / here;
      return margin_bin_edge(bin - 1) *
             std::pow(margin_bin_edge(bin) / margin_bin_edge(bin - 1), wanted / here);
    }
    wanted -= here;
  }
  return total > 0 ? margin_bin_edge(kMarginBins - 2) : 0.0;
}

}  // namespace softmoe::router
