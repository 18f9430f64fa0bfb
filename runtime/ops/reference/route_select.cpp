#include "runtime/ops/route_select.h"

#include <algorithm>
#include <numeric>

#include "runtime/ops/route_hash_row.h"
#include "runtime/ops/route_order.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

namespace {

template <class T>
std::int64_t count_above(const RouteChoice& choice, std::int64_t row) {
  if (!is_present(choice.anchor_R2)) return 0;
  const std::int64_t columns = choice.scores_RC.dim(1);
  const T* scores = choice.scores_RC.as<T>().data() + row * columns;
  const T anchor = choice.anchor_R2.as<T>()[2 * row];
  const T delta = choice.anchor_R2.as<T>()[2 * row + 1];
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < columns; ++i) {
    const T u = (scores[i] - anchor) / static_cast<T>(choice.alpha) + delta;
    if (u > static_cast<T>(choice.cut)) ++count;
  }
  return count;
}

template <class T>
void select_rows(const RouteChoice& choice, View<std::uint32_t> chosen_RW,
                 View<std::int32_t> order) {
  const std::int64_t columns = choice.scores_RC.dim(1);
  const std::int64_t words = num_choice_words(columns);
  std::fill_n(chosen_RW.data(), chosen_RW.size(), 0U);
  for (std::int64_t row = 0; row < choice.scores_RC.dim(0); ++row) {
    const T* scores = choice.scores_RC.as<T>().data() + row * columns;
    // u rises with the score, so the chosen are always the best so many.
    const auto count =
        std::clamp<std::int64_t>(count_above<T>(choice, row), choice.at_least, choice.at_most);
    std::iota(order.data(), order.data() + columns, 0);
    std::partial_sort(
        order.data(), order.data() + count, order.data() + columns,
        [scores](std::int32_t a, std::int32_t b) { return ranks_before(scores, a, b); });
    for (std::int64_t i = 0; i < count; ++i) {
      chosen_RW[row * words + order[i] / 32] |= 1U << (order[i] % 32);
    }
  }
}

}  // namespace

void route_select(const RouteChoice& choice, View<std::uint32_t> chosen_RW, Arena& scratch,
                  Stream& stream) {
  visit_score(choice.scores_RC.dtype(), [&]<class T>() {
    const ArenaScope scope(scratch);
    const View<std::int32_t> order = scratch.push<std::int32_t>(choice.scores_RC.dim(1));
    stream.run([choice, chosen_RW, order] { select_rows<T>(choice, chosen_RW, order); });
  });
}

void route_hash(const RouteHashArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    for (std::int64_t row = 0; row < arguments.id_R.size(); ++row) choose_by_hash(arguments, row);
  });
}

}  // namespace softmoe::ops::reference
