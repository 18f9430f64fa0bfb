#include "bench/routing_workload.h"

#include <algorithm>
#include <numeric>

#include "runtime/base/errors.h"
#include "runtime/base/philox.h"

namespace softmoe::bench {

namespace {

std::vector<std::size_t> heaviest_first(const std::vector<std::int64_t>& row_E) {
  std::vector<std::size_t> experts(row_E.size());
  std::iota(experts.begin(), experts.end(), std::size_t{0});
  std::stable_sort(experts.begin(), experts.end(),
                   [&](std::size_t x, std::size_t y) { return row_E[x] > row_E[y]; });
  return experts;
}

std::vector<std::size_t> shuffled_tokens(const WorkloadCase& of, int rank) {
  std::vector<std::size_t> tokens(static_cast<std::size_t>(of.num_tokens));
  std::iota(tokens.begin(), tokens.end(), std::size_t{0});
  const RandomKey key{.seed = of.seed + static_cast<std::uint64_t>(of.batch * of.num_ranks + rank),
                      .step = static_cast<std::uint32_t>(of.step),
                      .layer = 2};
  for (std::size_t i = tokens.size(); i > 1; --i)
    std::swap(tokens[i - 1], tokens[philox(key, i)[0] % i]);
  return tokens;
}

/// How many tokens run one expert more than the most common number, and as many one less. The
/// choices exist if any j experts have no more rows than sum_t min(j, k_t) (Gale and Ryser); of
/// these conditions only that of j = base can fail.
std::int64_t num_exchanged(const WorkloadCase& of, const std::vector<std::int64_t>& row_E,
                           const std::vector<std::size_t>& heaviest) {
  const std::int64_t tokens = of.num_tokens;
  const std::int64_t rows = std::accumulate(row_E.begin(), row_E.end(), std::int64_t{0});
  const std::int64_t base = tokens == 0 ? 0 : rows / tokens;
  const auto active = std::count_if(row_E.begin(), row_E.end(), [](auto n) { return n > 0; });
  if (base == 0 || base >= active) return 0;
  std::int64_t in_largest = 0;
  for (std::int64_t i = 0; i < base; ++i)
    in_largest += row_E[heaviest[static_cast<std::size_t>(i)]];
  return std::max<std::int64_t>(
      0, std::min({tokens / 4, (tokens - rows % tokens) / 2, base * tokens - in_largest}));
}

/// Experts that each token has still to be given.
std::vector<std::int32_t> experts_run(const WorkloadCase& of,
                                      const std::vector<std::int64_t>& row_E,
                                      const std::vector<std::size_t>& shuffled,
                                      const std::vector<std::size_t>& heaviest) {
  const std::int64_t rows = std::accumulate(row_E.begin(), row_E.end(), std::int64_t{0});
  const std::int64_t base = of.num_tokens == 0 ? 0 : rows / of.num_tokens;
  const std::int64_t exchanged = num_exchanged(of, row_E, heaviest);
  const std::int64_t with_more = (of.num_tokens == 0 ? 0 : rows % of.num_tokens) + exchanged;
  std::vector<std::int32_t> run_T(shuffled.size());
  for (std::size_t i = 0; i < shuffled.size(); ++i) {
    const auto place = static_cast<std::int64_t>(i);
    const std::int64_t more = place < with_more ? 1 : (place < with_more + exchanged ? -1 : 0);
    run_T[shuffled[i]] = static_cast<std::int32_t>(base + more);
  }
  return run_T;
}

}  // namespace

TokenExperts choose_experts(const WorkloadCase& of, int rank) {
  const std::vector<std::int64_t> row_E = rows_per_expert(of, rank);
  const std::vector<std::size_t> heaviest = heaviest_first(row_E);
  const std::vector<std::size_t> shuffled = shuffled_tokens(of, rank);
  std::vector<std::int32_t> missing_T = experts_run(of, row_E, shuffled, heaviest);
  const std::int32_t most =
      missing_T.empty() ? 0 : *std::max_element(missing_T.begin(), missing_T.end());

  std::vector<std::vector<std::int32_t>> experts_T(missing_T.size());
  std::size_t at = 0;
  for (const std::size_t expert : heaviest) {
    // The heaviest expert takes the tokens that have most to be given; among equals a place further
    // on each time, so that experts meet in all combinations.
    const auto id = static_cast<std::int32_t>(expert);
    std::int64_t left = row_E[expert];
    for (std::int32_t level = most; level > 0 && left > 0; --level) {
      for (std::size_t i = 0; i < shuffled.size() && left > 0; ++i) {
        const std::size_t token = shuffled[(at + i) % shuffled.size()];
        auto& experts = experts_T[token];
        if (missing_T[token] != level || (!experts.empty() && experts.back() == id)) continue;
        experts.push_back(id);
        --missing_T[token];
        --left;
      }
    }
    expect(left == 0, "every row of a workload finds a token");
    if (!shuffled.empty()) at = (at + static_cast<std::size_t>(row_E[expert])) % shuffled.size();
  }

  TokenExperts choices{.row_begin_T1 = {0}, .expert_N = {}};
  for (auto& experts : experts_T) {
    std::sort(experts.begin(), experts.end());
    choices.expert_N.insert(choices.expert_N.end(), experts.begin(), experts.end());
    choices.row_begin_T1.push_back(static_cast<std::int32_t>(choices.expert_N.size()));
  }
  return choices;
}

TokenExperts relabelled(const TokenExperts& choices, std::span<const int> slot_E) {
  TokenExperts renamed = choices;
  for (std::int32_t& expert : renamed.expert_N) expert = slot_E[static_cast<std::size_t>(expert)];
  for (std::size_t token = 0; token + 1 < renamed.row_begin_T1.size(); ++token) {
    std::sort(renamed.expert_N.begin() + renamed.row_begin_T1[token],
              renamed.expert_N.begin() + renamed.row_begin_T1[token + 1]);
  }
  return renamed;
}

}  // namespace softmoe::bench
