#include "runtime/ops/route_measure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/ops/lapsum_values.h"
#include "runtime/ops/route_margin_bin.h"
#include "runtime/ops/route_order.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

namespace {

void add(const View<std::int64_t>& tallies, RouteTally tally, std::int64_t count) {
  tallies[static_cast<int>(tally)] += count;
}
void add(const View<double>& masses, RouteMass mass, double amount) {
  masses[static_cast<int>(mass)] += amount;
}

// The rule's view of one row.
template <class T>
class RuleRow {
 public:
  RuleRow(const RouteChoice& choice, std::int64_t row)
      : choice_(&choice),
        columns_(choice.scores_RC.dim(1)),
        scores_(choice.scores_RC.as<T>().data() + row * columns_),
        anchor_(choice.anchor_R2.as<T>()[2 * row]),
        delta_(choice.anchor_R2.as<T>()[2 * row + 1]) {}

  [[nodiscard]] std::int64_t count_above(double cut) const {
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < columns_; ++i) count += u(i) > static_cast<T>(cut) ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::int64_t count_chosen(double cut) const {
    return std::clamp<std::int64_t>(count_above(cut), choice_->at_least, choice_->at_most);
  }
  [[nodiscard]] double margin() const {
    T margin = std::numeric_limits<T>::infinity();
    for (std::int64_t i = 0; i < columns_; ++i) {
      margin = std::min(margin, std::abs(u(i) - static_cast<T>(choice_->cut)));
    }
    return static_cast<double>(margin);
  }

 private:
  [[nodiscard]] T u(std::int64_t i) const {
    return (scores_[i] - anchor_) / static_cast<T>(choice_->alpha) + delta_;
  }

  const RouteChoice* choice_;
  std::int64_t columns_;
  const T* scores_;
  T anchor_;
  T delta_;
};

template <class T>
double gap_margin(const RouteChoice& choice, std::int64_t row, View<std::int32_t> order) {
  const std::int64_t columns = choice.scores_RC.dim(1);
  if (choice.at_least == 0 || choice.at_least == columns) {
    return std::numeric_limits<double>::infinity();
  }
  const T* scores = choice.scores_RC.as<T>().data() + row * columns;
  std::iota(order.data(), order.data() + columns, 0);
  std::partial_sort(
      order.data(), order.data() + choice.at_least + 1, order.data() + columns,
      [scores](std::int32_t a, std::int32_t b) { return ranks_before(scores, a, b); });
  const T gap = scores[order[choice.at_least - 1]] - scores[order[choice.at_least]];
  return static_cast<double>(gap) / (2 * choice.alpha);
}

template <class T>
void measure_scores(const RouteMeasureArguments& arguments, std::int64_t row,
                    const RouteMeasures& measures, View<std::int32_t> order) {
  const RouteChoice& choice = arguments.choice;
  const std::int64_t columns = choice.scores_RC.dim(1);
  double margin = 0;
  if (!is_present(choice.anchor_R2)) {
    margin = gap_margin<T>(choice, row, order);
  } else {
    const RuleRow<T> rule(choice, row);
    margin = rule.margin();
    const std::int64_t above = rule.count_above(choice.cut);
    add(measures.tallies, RouteTally::raised, above < choice.at_least ? 1 : 0);
    add(measures.tallies, RouteTally::lowered, above > choice.at_most ? 1 : 0);
    add(measures.tallies, RouteTally::crossing,
        rule.count_chosen(choice.cut - kCrossingHalfWidth) -
            rule.count_chosen(choice.cut + kCrossingHalfWidth));
  }
  ++measures.margin_bins[route_margin_bin(margin)];

  const T* scores = choice.scores_RC.as<T>().data() + row * columns;
  const T* signed_f = arguments.gates.signed_f_RC.as<T>().data() + row * columns;
  const double mean = std::accumulate(scores, scores + columns, 0.0) / static_cast<double>(columns);
  for (std::int64_t i = 0; i < columns; ++i) {
    const double centred = static_cast<double>(scores[i]) - mean;
    add(measures.masses, RouteMass::score_square, centred * centred);
    add(measures.masses, RouteMass::boundary, static_cast<double>(std::abs(signed_f[i])));
  }
  double kept = 0;
  const SparseRows& sparse = arguments.gates.sparse;
  for (std::int64_t i = sparse.row_begin_R1[row]; i < sparse.row_begin_R1[row + 1]; ++i) {
    kept += static_cast<double>(probability_of(signed_f[sparse.column_N[i]]));
  }
  add(measures.masses, RouteMass::dropped, arguments.mass - kept);
}

template <class T>
void measure_rows(const RouteMeasureArguments& arguments, const RouteMeasures& measures,
                  View<std::int32_t> order) {
  const SparseRows& sparse = arguments.gates.sparse;
  for (std::int64_t row = 0; row + 1 < sparse.row_begin_R1.size(); ++row) {
    const std::int64_t begin = sparse.row_begin_R1[row];
    const std::int64_t end = sparse.row_begin_R1[row + 1];
    add(measures.tallies, RouteTally::rows, 1);
    add(measures.tallies, RouteTally::entries, end - begin);
    ++measures.size_bins[std::min<std::int64_t>(end - begin, kRouteSizeBins - 1)];
    for (std::int64_t i = begin; i < end; ++i) {
      ++measures.count_C[sparse.column_N[i]];
      add(measures.masses, RouteMass::gates,
          static_cast<double>(arguments.gates.gate_N.as<T>()[i]));
    }
    if (is_present(arguments.choice.scores_RC)) {
      measure_scores<T>(arguments, row, measures, order);
    }
  }
}

}  // namespace

void route_measure(const RouteMeasureArguments& arguments, const RouteMeasures& measures,
                   Arena& scratch, Stream& stream) {
  visit_score(arguments.gates.gate_N.dtype(), [&]<class T>() {
    const ArenaScope scope(scratch);
    const View<std::int32_t> order = scratch.push<std::int32_t>(measures.count_C.size());
    stream.run([arguments, measures, order] { measure_rows<T>(arguments, measures, order); });
  });
}

}  // namespace softmoe::ops::reference
