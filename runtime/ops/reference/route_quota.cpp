#include "runtime/ops/route_quota.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/ops/route_order.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

namespace {

/// A pair that may be chosen or left out.
template <class T>
struct Candidate {
  T u = 0;
  std::int64_t row = 0;
  std::int32_t column = 0;
};

template <class T>
bool comes_before(const Candidate<T>& a, const Candidate<T>& b) {
  if (a.u != b.u) return a.u > b.u;
  return a.row != b.row ? a.row < b.row : a.column < b.column;
}

template <class T>
T u_of(const RouteChoice& choice, std::int64_t row, std::int32_t column) {
  const T score = choice.scores_RC.as<T>()[row * choice.scores_RC.dim(1) + column];
  const T anchor = choice.anchor_R2.as<T>()[2 * row];
  const T delta = choice.anchor_R2.as<T>()[2 * row + 1];
  const T u = (score - anchor) / static_cast<T>(choice.alpha) + delta;
  return std::isnan(u) ? -std::numeric_limits<T>::infinity() : u;
}

void choose(const View<std::uint32_t>& chosen_RW, std::int64_t words, std::int64_t row,
            std::int32_t column) {
  chosen_RW[row * words + column / 32] |= 1U << (column % 32);
}

template <class T>
void choose_by_quota(const RouteQuotaArguments& arguments, View<Candidate<T>> candidates,
                     View<std::int32_t> order) {
  const RouteChoice& choice = arguments.choice;
  const std::int64_t rows = choice.scores_RC.dim(0);
  const std::int64_t columns = choice.scores_RC.dim(1);
  const std::int64_t words = num_choice_words(columns);
  std::fill_n(arguments.chosen_RW.data(), arguments.chosen_RW.size(), 0U);
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* scores = choice.scores_RC.as<T>().data() + row * columns;
    std::iota(order.data(), order.data() + columns, 0);
    std::sort(order.data(), order.data() + columns,
              [scores](std::int32_t a, std::int32_t b) { return ranks_before(scores, a, b); });
    for (int rank = 0; rank < choice.at_most; ++rank) {
      if (rank < choice.at_least) {
        choose(arguments.chosen_RW, words, row, order[rank]);
      } else {
        candidates[count++] = {u_of<T>(choice, row, order[rank]), row, order[rank]};
      }
    }
  }
  std::sort(candidates.data(), candidates.data() + count, comes_before<T>);
  const std::int64_t wanted = arguments.num_chosen - rows * choice.at_least;
  for (std::int64_t i = 0; i < wanted; ++i) {
    choose(arguments.chosen_RW, words, candidates[i].row, candidates[i].column);
  }
  double cut = choice.cut;
  if (count > 0) cut = static_cast<double>(candidates[std::min(wanted, count - 1)].u);
  arguments.cut_sum[0] += static_cast<double>(rows) * std::clamp(cut, -kMaxQuotaCut, kMaxQuotaCut);
}

}  // namespace

void route_quota(const RouteQuotaArguments& arguments, Arena& scratch, Stream& stream) {
  visit_score(arguments.choice.scores_RC.dtype(), [&]<class T>() {
    const ArenaScope scope(scratch);
    const RouteChoice& choice = arguments.choice;
    const View<Candidate<T>> candidates =
        scratch.push<Candidate<T>>(choice.scores_RC.dim(0) * (choice.at_most - choice.at_least));
    const View<std::int32_t> order = scratch.push<std::int32_t>(choice.scores_RC.dim(1));
    stream.run(
        [arguments, candidates, order] { choose_by_quota<T>(arguments, candidates, order); });
  });
}

}  // namespace softmoe::ops::reference
