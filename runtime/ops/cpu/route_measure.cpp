#include "runtime/ops/route_measure.h"

#include <algorithm>

#include "runtime/ops/cpu/route_rank.h"
#include "runtime/ops/cpu/worker_rooms.h"
#include "runtime/ops/lapsum_values.h"
#include "runtime/ops/route_margin_bin.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::cpu {

namespace {

using Masses = std::array<double, kNumRouteMasses>;

double& at(Masses& masses, RouteMass mass) {
  return masses[static_cast<std::size_t>(mass)];
}

// Integers that one worker counted: columns, tallies, margins, sizes.
struct Counter {
  std::int64_t* count_C;
  std::int64_t* tallies;
  std::int64_t* margin_bins;
  std::int64_t* size_bins;

  Counter(std::int64_t* first, std::int64_t columns)
      : count_C(first),
        tallies(count_C + columns),
        margin_bins(tallies + kNumRouteTallies),
        size_bins(margin_bins + kRouteMarginBins) {}

  static std::int64_t size(std::int64_t columns) {
    return columns + kNumRouteTallies + kRouteMarginBins + kRouteSizeBins;
  }
  void add(RouteTally tally, std::int64_t count) const {
    tallies[static_cast<int>(tally)] += count;
  }
};

// What the rule says about sixteen rows.
struct LaneRule {
  Lanes margin;
  LaneInts raised{};
  LaneInts lowered{};
  LaneInts crossing{};
};

LaneInts clamp_count(LaneInts count, const RouteChoice& choice) {
  const LaneInts raised = count < choice.at_least ? all_lanes(choice.at_least) : count;
  return raised > choice.at_most ? all_lanes(choice.at_most) : raised;
}

LaneRule threshold_rule(const RouteChoice& choice, const RowBlock& block, const Lanes* scores_C) {
  const float* anchors = choice.anchor_R2.as<float>().data();
  const Lanes anchor = load_per_row(anchors, 2, block);
  const Lanes delta = load_per_row(anchors + 1, 2, block);
  const auto inverse_alpha = static_cast<float>(1 / choice.alpha);
  const auto cut = static_cast<float>(choice.cut);
  const auto low_cut = static_cast<float>(choice.cut - kCrossingHalfWidth);
  const auto high_cut = static_cast<float>(choice.cut + kCrossingHalfWidth);
  LaneRule rule{.margin = all_lanes(std::numeric_limits<float>::infinity())};
  LaneInts above{};
  LaneInts above_low{};
  LaneInts above_high{};
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const Lanes u = (scores_C[i] - anchor) * inverse_alpha + delta;
    rule.margin = lane_min(lane_abs(u - cut), rule.margin);
    above -= u > cut;
    above_low -= u > low_cut;
    above_high -= u > high_cut;
  }
  rule.raised = above < choice.at_least;
  rule.lowered = above > choice.at_most;
  rule.crossing = clamp_count(above_low, choice) - clamp_count(above_high, choice);
  return rule;
}

LaneRule rank_rule(const RouteChoice& choice, const RowBlock& block, const Lanes* scores_C) {
  LaneRule rule{.margin = all_lanes(std::numeric_limits<float>::infinity())};
  if (choice.at_least == 0 || choice.at_least == block.columns) return rule;
  const Lanes last_in = value_of_rank(scores_C, block.columns, all_lanes(choice.at_least));
  const Lanes first_out = value_of_rank(scores_C, block.columns, all_lanes(choice.at_least + 1));
  rule.margin = (last_in - first_out) * static_cast<float>(1 / (2 * choice.alpha));
  return rule;
}

void measure_scores(const RouteMeasureArguments& arguments, const RowBlock& block, Lanes* lanes_C,
                    const Counter& counter, Masses& masses) {
  const RouteChoice& choice = arguments.choice;
  load_rows(choice.scores_RC.as<float>().data(), block, lanes_C);
  const LaneRule rule = !is_present(choice.anchor_R2) ? rank_rule(choice, block, lanes_C)
                                                      : threshold_rule(choice, block, lanes_C);
  Lanes mean{};
  for (std::int64_t i = 0; i < block.columns; ++i) mean += lanes_C[i];
  mean /= static_cast<float>(block.columns);
  Lanes square{};
  for (std::int64_t i = 0; i < block.columns; ++i) {
    square += (lanes_C[i] - mean) * (lanes_C[i] - mean);
  }
  load_rows(arguments.gates.signed_f_RC.as<float>().data(), block, lanes_C);
  Lanes boundary{};
  for (std::int64_t i = 0; i < block.columns; ++i) boundary += lane_abs(lanes_C[i]);

  for (int lane = 0; lane < block.count; ++lane) {
    counter.add(RouteTally::raised, -rule.raised[lane]);
    counter.add(RouteTally::lowered, -rule.lowered[lane]);
    counter.add(RouteTally::crossing, rule.crossing[lane]);
    ++counter.margin_bins[route_margin_bin(static_cast<double>(rule.margin[lane]))];
    at(masses, RouteMass::score_square) += static_cast<double>(square[lane]);
    at(masses, RouteMass::boundary) += static_cast<double>(boundary[lane]);
  }
}

void measure_entries(const RouteMeasureArguments& arguments, const RowBlock& block,
                     const Counter& counter, Masses& masses) {
  const SparseRows& sparse = arguments.gates.sparse;
  const View<const float> gates = arguments.gates.gate_N.as<float>();
  const bool has_scores = is_present(arguments.choice.scores_RC);
  const float* const signed_f_RC =
      has_scores ? arguments.gates.signed_f_RC.as<float>().data() : nullptr;
  for (std::int64_t row = block.first; row < block.first + block.count; ++row) {
    const std::int64_t begin = sparse.row_begin_R1[row];
    const std::int64_t end = sparse.row_begin_R1[row + 1];
    counter.add(RouteTally::rows, 1);
    counter.add(RouteTally::entries, end - begin);
    ++counter.size_bins[std::min<std::int64_t>(end - begin, kRouteSizeBins - 1)];
    double kept = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t column = sparse.column_N[i];
      ++counter.count_C[column];
      at(masses, RouteMass::gates) += static_cast<double>(gates[i]);
      if (!has_scores) continue;
      kept += static_cast<double>(probability_of(signed_f_RC[row * block.columns + column]));
    }
    if (has_scores) at(masses, RouteMass::dropped) += arguments.mass - kept;
  }
}

void add_counts(const std::int64_t* from, View<std::int64_t> into) {
  for (std::int64_t i = 0; i < into.size(); ++i) into[i] += from[i];
}

}  // namespace

void route_measure(const RouteMeasureArguments& arguments, const RouteMeasures& measures,
                   Arena& scratch, Stream& stream) {
  if (arguments.gates.gate_N.dtype() != DType::f32) {
    reference::route_measure(arguments, measures, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.gates.sparse.row_begin_R1.size() - 1;
  const std::int64_t columns = measures.count_C.size();
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), columns);
  const View<Masses> partial = scratch.push<Masses>(num_row_blocks(rows));
  const WorkerRooms<std::int64_t> counts(scratch, workers.size(), Counter::size(columns));
  stream.run([arguments, measures, rows, columns, rooms, partial, counts, &workers] {
    for (int worker = 0; worker < workers.size(); ++worker) {
      std::fill_n(counts.of(worker), Counter::size(columns), 0);
    }
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      const Counter counter(counts.of(worker), columns);
      Masses masses{};
      if (is_present(arguments.choice.scores_RC)) {
        measure_scores(arguments, block, rooms.of(worker), counter, masses);
      }
      measure_entries(arguments, block, counter, masses);
      partial[block.index()] = masses;
    });
    for (int worker = 0; worker < workers.size(); ++worker) {
      const Counter counter(counts.of(worker), columns);
      add_counts(counter.count_C, measures.count_C);
      add_counts(counter.tallies, measures.tallies);
      add_counts(counter.margin_bins, measures.margin_bins);
      add_counts(counter.size_bins, measures.size_bins);
    }
    for (const Masses& block : partial.span()) {
      for (int i = 0; i < kNumRouteMasses; ++i) {
        measures.masses[i] += block[static_cast<std::size_t>(i)];
      }
    }
  });
}

}  // namespace softmoe::ops::cpu
