// How many rows each expert gets.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/routing_workload.h"
#include "runtime/base/errors.h"
#include "runtime/base/philox.h"

namespace softmoe::bench {

namespace {

constexpr std::int64_t kBurstPeriod = 4;

int num_hot(const WorkloadCase& of) {
  return std::max(1, of.num_experts / 8);
}

/// Half of the weight to the hot experts, half to the others.
std::vector<double> heat(const std::vector<char>& is_hot_E, double hot_share) {
  const auto hot = static_cast<double>(std::count(is_hot_E.begin(), is_hot_E.end(), 1));
  const double others = static_cast<double>(is_hot_E.size()) - hot;
  std::vector<double> weight_E;
  for (const char is_hot : is_hot_E)
    weight_E.push_back(others == 0 ? 1.0
                                   : (is_hot != 0 ? hot_share / hot : (1 - hot_share) / others));
  return weight_E;
}

/// The experts whose drawn numbers are the smallest.
std::vector<char> drawn_experts(const WorkloadCase& of) {
  std::vector<std::pair<std::uint32_t, int>> draws;
  for (int expert = 0; expert < of.num_experts; ++expert)
    draws.emplace_back(philox({.seed = of.seed}, static_cast<std::uint64_t>(expert))[0], expert);
  std::sort(draws.begin(), draws.end());
  std::vector<char> is_hot_E(draws.size());
  for (int i = 0; i < num_hot(of); ++i)
    is_hot_E[static_cast<std::size_t>(draws[static_cast<std::size_t>(i)].second)] = 1;
  return is_hot_E;
}

std::vector<char> rotating_experts(const WorkloadCase& of) {
  std::vector<char> is_hot_E(static_cast<std::size_t>(of.num_experts));
  for (int i = 0; i < num_hot(of); ++i)
    is_hot_E[static_cast<std::size_t>((of.step * num_hot(of) + i) % of.num_experts)] = 1;
  return is_hot_E;
}

std::vector<char> one_expert_of_each_rank(const WorkloadCase& of) {
  const int per_rank = of.num_experts / of.num_ranks;
  std::vector<char> is_hot_E(static_cast<std::size_t>(of.num_experts));
  for (int rank = 0; rank < of.num_ranks; ++rank) {
    const auto words = philox({.seed = of.seed, .layer = 1}, static_cast<std::uint64_t>(rank));
    const int local = static_cast<int>(words[0] % static_cast<unsigned>(per_rank));
    is_hot_E[static_cast<std::size_t>(rank * per_rank + local)] = 1;
  }
  return is_hot_E;
}

std::vector<double> weights(const WorkloadCase& of) {
  const auto num_experts = static_cast<std::size_t>(of.num_experts);
  const std::size_t per_rank = num_experts / static_cast<std::size_t>(of.num_ranks);
  std::vector<double> weight_E(num_experts, 1.0);
  switch (of.workload) {
    case Workload::balanced:
    case Workload::ragged_sources:
      return weight_E;
    case Workload::hot_experts:
      return heat(drawn_experts(of), 0.5);
    case Workload::hot_rank: {
      std::vector<char> is_hot_E(num_experts);
      std::fill_n(is_hot_E.begin(), per_rank, char{1});
      return heat(is_hot_E, 0.5 + 0.5 / of.num_ranks);
    }
    case Workload::spread_heat:
      return heat(one_expert_of_each_rank(of), 0.5);
    case Workload::idle_experts:
      for (std::size_t expert = 3; expert < num_experts; expert += 4) weight_E[expert] = 0;
      if (of.num_ranks > 1)
        std::fill(weight_E.end() - static_cast<std::ptrdiff_t>(per_rank), weight_E.end(), 0.0);
      return weight_E;
    case Workload::rotating_hotspot:
      return heat(rotating_experts(of), 0.5);
    case Workload::burst:
      return of.step % kBurstPeriod == kBurstPeriod - 1 ? heat(drawn_experts(of), 0.5) : weight_E;
  }
  return weight_E;
}

/// Rows of all tokens of `rank`.
std::int64_t rows_of_rank(const WorkloadCase& of, int rank) {
  const double tokens = static_cast<double>(of.num_tokens) * of.num_ranks;
  const std::int64_t rows = std::llround(of.mean_experts * tokens);
  const std::int64_t ranks = of.num_ranks;
  if (of.workload == Workload::ragged_sources)
    return rows * (rank + 1) * (rank + 1) / (ranks * ranks) - rows * rank * rank / (ranks * ranks);
  return rows * (rank + 1) / ranks - rows * rank / ranks;
}

/// `rows` in the ratio of the weights, what is left over to the largest remainders.
std::vector<std::int64_t> split(std::int64_t rows, const std::vector<double>& weight_E) {
  const double total = std::accumulate(weight_E.begin(), weight_E.end(), 0.0);
  std::vector<std::int64_t> row_E;
  std::vector<std::pair<double, std::size_t>> remainders;
  for (const double weight : weight_E) {
    const double exact = total == 0 ? 0 : static_cast<double>(rows) * weight / total;
    row_E.push_back(static_cast<std::int64_t>(exact));
    if (weight > 0)
      remainders.emplace_back(static_cast<double>(row_E.back()) - exact, row_E.size() - 1);
  }
  std::sort(remainders.begin(), remainders.end());
  std::int64_t left = rows - std::accumulate(row_E.begin(), row_E.end(), std::int64_t{0});
  for (std::size_t i = 0; left > 0; i = (i + 1) % remainders.size(), --left)
    ++row_E[remainders[i].second];
  return row_E;
}

void require_fitting(const WorkloadCase& of, std::int64_t rows,
                     const std::vector<double>& weight_E) {
  const auto active =
      std::count_if(weight_E.begin(), weight_E.end(), [](double w) { return w > 0; });
  if (rows <= active * of.num_tokens) return;
  throw ConfigError(
      fmt::format("workload {}: {} rows of {} tokens do not fit into {} experts that get any, of "
                  "{}: take fewer rows per token, more experts, or fewer ranks",
                  name_of(of.workload), rows, of.num_tokens, active, of.num_experts));
}

}  // namespace

std::string name_of(Workload workload) {
  return fmt::format("W{}", static_cast<int>(workload));
}

std::optional<Workload> workload_named(std::string_view name) {
  for (int i = 0; i < kNumWorkloads; ++i)
    if (name == name_of(static_cast<Workload>(i))) return static_cast<Workload>(i);
  return std::nullopt;
}

std::vector<std::int64_t> rows_per_expert(const WorkloadCase& of, int rank) {
  if (of.num_ranks < 1 || of.num_experts % of.num_ranks != 0 || of.num_experts < of.num_ranks) {
    throw InvalidArgument(fmt::format("workload {}: {} experts on {} ranks", name_of(of.workload),
                                      of.num_experts, of.num_ranks));
  }
  std::vector<double> weight_E = weights(of);
  std::int64_t rows = rows_of_rank(of, rank);
  require_fitting(of, rows, weight_E);
  // Who would get more rows than there are tokens is full, and leaves the rest to the others.
  std::vector<std::int64_t> full_E(weight_E.size());
  while (true) {
    std::vector<std::int64_t> row_E = split(rows, weight_E);
    bool is_over = false;
    for (std::size_t expert = 0; expert < row_E.size(); ++expert) {
      if (row_E[expert] <= of.num_tokens) continue;
      is_over = true;
      full_E[expert] = of.num_tokens;
      weight_E[expert] = 0;
      rows -= of.num_tokens;
    }
    if (is_over) continue;
    for (std::size_t expert = 0; expert < row_E.size(); ++expert) row_E[expert] += full_E[expert];
    return row_E;
  }
}

std::vector<std::int64_t> rows_per_expert(const WorkloadCase& of) {
  std::vector<std::int64_t> row_E(static_cast<std::size_t>(of.num_experts));
  for (int rank = 0; rank < of.num_ranks; ++rank) {
    const std::vector<std::int64_t> of_rank = rows_per_expert(of, rank);
    for (std::size_t expert = 0; expert < row_E.size(); ++expert) row_E[expert] += of_rank[expert];
  }
  return row_E;
}

Skew skew_of(std::span<const std::int64_t> load_E, int num_ranks) {
  const auto ranks = static_cast<std::size_t>(num_ranks);
  const std::size_t per_rank = load_E.size() / ranks;
  std::vector<std::int64_t> load_P(ranks);
  for (std::size_t expert = 0; expert < load_E.size(); ++expert)
    load_P[expert / per_rank] += load_E[expert];
  const auto total =
      static_cast<double>(std::accumulate(load_E.begin(), load_E.end(), std::int64_t{0}));
  if (total == 0) return {};
  const auto most = [](const auto& loads) {
    return static_cast<double>(*std::max_element(loads.begin(), loads.end()));
  };
  return {.experts = most(load_E) * static_cast<double>(load_E.size()) / total,
          .ranks = most(load_P) * static_cast<double>(ranks) / total};
}

}  // namespace softmoe::bench
