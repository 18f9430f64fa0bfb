#include "training/load_measures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/errors.h"

namespace softmoe::training {

namespace {

std::int64_t sum_of(std::span<const std::int64_t> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

}  // namespace

LoadMeasures measure_loads(std::span<const std::int64_t> loads_E, std::span<RankedLoad> ranking_E) {
  require(loads_E.size() == ranking_E.size(), "loads and their ranking are of one size");
  for (std::size_t expert = 0; expert < loads_E.size(); ++expert) {
    ranking_E[expert] = {loads_E[expert], static_cast<int>(expert)};
  }
  std::sort(ranking_E.begin(), ranking_E.end(),
            [](const RankedLoad& left, const RankedLoad& right) {
              return left.load != right.load ? left.load > right.load : left.expert < right.expert;
            });
  const auto experts = static_cast<double>(loads_E.size());
  const auto total = static_cast<double>(sum_of(loads_E));
  LoadMeasures measures;
  measures.dead = static_cast<int>(std::count(loads_E.begin(), loads_E.end(), 0));
  if (total == 0) return measures;

  const double mean = total / experts;
  measures.imbalance = static_cast<double>(ranking_E.front().load) / mean;
  double squares = 0;
  double entropy = 0;
  double weighted = 0;
  double place = experts;  // of the rising order, from its end
  for (const RankedLoad& ranked : ranking_E) {
    const auto rows = static_cast<double>(ranked.load);
    squares += (rows - mean) * (rows - mean);
    if (rows > 0) entropy -= rows / total * std::log(rows / total);
    weighted += (2 * place - experts - 1) * rows;
    place -= 1;
  }
  measures.cv = std::sqrt(squares / experts) / mean;
  measures.entropy_ratio = loads_E.size() > 1 ? entropy / std::log(experts) : 1;
  measures.gini = weighted / (experts * total);
  return measures;
}

double rank_imbalance(std::span<const std::int64_t> loads_E, int num_ranks) {
  require(num_ranks > 0 && loads_E.size() % static_cast<std::size_t>(num_ranks) == 0,
          "the ranks hold equally many experts");
  const std::size_t here = loads_E.size() / static_cast<std::size_t>(num_ranks);
  std::int64_t fullest = 0;
  for (std::size_t first = 0; first < loads_E.size(); first += here) {
    fullest = std::max(fullest, sum_of(loads_E.subspan(first, here)));
  }
  const std::int64_t total = sum_of(loads_E);
  return total == 0 ? 0.0 : static_cast<double>(fullest) * num_ranks / static_cast<double>(total);
}

int experts_quantile(std::span<const std::int64_t> tokens_by_experts, double share) {
  const double wanted = share * static_cast<double>(sum_of(tokens_by_experts));
  double passed = 0;
  for (std::size_t experts = 0; experts < tokens_by_experts.size(); ++experts) {
    passed += static_cast<double>(tokens_by_experts[experts]);
    if (passed > 0 && passed >= wanted) return static_cast<int>(experts);
  }
  return 0;
}

}  // namespace softmoe::training
