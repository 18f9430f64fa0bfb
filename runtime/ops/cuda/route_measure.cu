#include "runtime/ops/route_measure.h"

#include <cmath>

#include "runtime/ops/cuda/router_values.h"
#include "runtime/ops/cuda/row_sums.h"
#include "runtime/ops/cuda/warp_rank.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;
using softmoe::cuda::shared_memory;

namespace {

using Count = unsigned long long;  // what atomicAdd knows; a View has std::int64_t

// A warp takes this many rows one after the other, so that a block adds to global bins once.
constexpr int kRowsPerWarp = 8;

// Counts of one block, in shared memory behind the sums of its warps.
enum BlockBins : int {
  kTallies = 0,
  kMargins = kTallies + kNumRouteTallies,
  kSizes = kMargins + kRouteMarginBins,
  kNumBins = kSizes + kRouteSizeBins,
};

struct MeasureRule {
  const float* scores_RC;  // null: nothing but entries is measured
  const float* anchor_R2;  // null: no cut
  double alpha;
  float cut;
  float low_cut;
  float high_cut;
  int at_least;
  int at_most;
};

struct MeasureRows {
  MeasureRule rule;
  const std::int32_t* row_begin_R1;
  const std::int32_t* column_N;
  const float* signed_f_RC;
  const float* gate_N;
  double mass;
  std::int64_t num_rows;
  int columns;
  double inverse_columns;
};

struct MeasureBins {
  Count* count_C;
  Count* tallies;
  Count* margins;
  Count* sizes;
  double* partial_SB;  // of the masses
};

__device__ int* block_bins() {
  return shared_memory<int>(block_sums_bytes(kNumRouteMasses));
}

// route_margin_bin() of ops/route_margin_bin.h.
__device__ int margin_bin(double margin) {
  constexpr double kFirstEdge = 0x1p-10;
  if (!(margin >= kFirstEdge)) return 0;
  if (margin >= 0x1p5) return kRouteMarginBins - 1;
  int octave = 0;
  const double mantissa = frexp(margin, &octave);  // margin = mantissa * 2^octave, in [1/2, 1)
  return 1 + 2 * (octave + 9) + (mantissa >= 0.70710678118654752 ? 1 : 0);
}

struct RuleCounts {
  double margin = 0;
  int raised = 0;
  int lowered = 0;
  int crossing = 0;
};

__device__ int clamp_count(int count, const MeasureRule& rule) {
  return count < rule.at_least ? rule.at_least : (count > rule.at_most ? rule.at_most : count);
}

template <int kPerLane>
__device__ RuleCounts threshold_counts(const MeasureRule& rule, std::int64_t row,
                                       const LaneColumns<kPerLane>& lanes,
                                       const float (&scores)[kPerLane]) {
  const float anchor = rule.anchor_R2[2 * row];
  const float delta = rule.anchor_R2[2 * row + 1];
  const auto alpha = static_cast<float>(rule.alpha);
  float u[kPerLane] = {};
  lanes.for_each([&](int slot, int) { u[slot] = (scores[slot] - anchor) / alpha + delta; });
  const auto count_above = [&](float cut) {
    return lanes.sum([&](int slot) { return u[slot] > cut ? 1 : 0; });
  };
  const int above = count_above(rule.cut);
  const float margin = lanes.least([&](int slot) { return fabsf(u[slot] - rule.cut); });
  return {.margin = static_cast<double>(margin),
          .raised = above < rule.at_least ? 1 : 0,
          .lowered = above > rule.at_most ? 1 : 0,
          .crossing = clamp_count(count_above(rule.low_cut), rule) -
                      clamp_count(count_above(rule.high_cut), rule)};
}

// Half the gap between the last score that is chosen and the first that is not.
template <int kPerLane>
__device__ double gap_margin(const MeasureRule& rule, const LaneColumns<kPerLane>& lanes,
                             const float (&scores)[kPerLane]) {
  if (rule.at_least == 0 || rule.at_least == lanes.count) {
    return std::numeric_limits<double>::infinity();
  }
  std::uint32_t keys[kPerLane];
  fill_order_keys(lanes, scores, keys);
  const float last_in = score_of(key_of_rank(keys, rule.at_least));
  const float first_out = score_of(key_of_rank(keys, rule.at_least + 1));
  // Only a NaN ranks as minus infinity: then there is no gap to speak of.
  const float gap =
      std::isinf(first_out) ? std::numeric_limits<float>::quiet_NaN() : last_in - first_out;
  return static_cast<double>(gap) / (2 * rule.alpha);
}

// Masses are kept per lane; the lanes are summed once, after the last row.
template <int kPerLane>
__device__ void measure_scores(const MeasureRows& rows, std::int64_t row,
                               double (&masses)[kNumRouteMasses]) {
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  lanes.load(rows.rule.scores_RC + row * rows.columns, scores);
  RuleCounts counts;
  if (rows.rule.anchor_R2 != nullptr) {
    counts = threshold_counts(rows.rule, row, lanes, scores);
  } else {
    counts.margin = gap_margin(rows.rule, lanes, scores);
  }
  if (lane_index() == 0) {
    int* bins = block_bins();
    atomicAdd(&bins[kTallies + static_cast<int>(RouteTally::raised)], counts.raised);
    atomicAdd(&bins[kTallies + static_cast<int>(RouteTally::lowered)], counts.lowered);
    atomicAdd(&bins[kTallies + static_cast<int>(RouteTally::crossing)], counts.crossing);
    atomicAdd(&bins[kMargins + margin_bin(counts.margin)], 1);
    masses[static_cast<int>(RouteMass::dropped)] += rows.mass;
  }

  const double mean =
      lanes.sum([&](int slot) { return static_cast<double>(scores[slot]); }) * rows.inverse_columns;
  const float* signed_f_C = rows.signed_f_RC + row * rows.columns;
  lanes.for_each([&](int slot, int column) {
    const double centred = static_cast<double>(scores[slot]) - mean;
    masses[static_cast<int>(RouteMass::score_square)] += centred * centred;
    masses[static_cast<int>(RouteMass::boundary)] += static_cast<double>(fabsf(signed_f_C[column]));
  });
}

__device__ void measure_entries(const MeasureRows& rows, std::int64_t row, Count* count_C,
                                double (&masses)[kNumRouteMasses]) {
  const std::int32_t begin = rows.row_begin_R1[row];
  const std::int32_t end = rows.row_begin_R1[row + 1];
  for (std::int32_t i = begin + lane_index(); i < end; i += kWarp) {
    const std::int32_t column = rows.column_N[i];
    atomicAdd(&count_C[column], Count{1});
    masses[static_cast<int>(RouteMass::gates)] += static_cast<double>(rows.gate_N[i]);
    if (rows.rule.scores_RC != nullptr) {
      const float p = probability_of(rows.signed_f_RC[row * rows.columns + column]);
      masses[static_cast<int>(RouteMass::dropped)] -= static_cast<double>(p);
    }
  }
  if (lane_index() == 0) {
    int* bins = block_bins();
    const int size = end - begin;
    atomicAdd(&bins[kTallies + static_cast<int>(RouteTally::rows)], 1);
    atomicAdd(&bins[kTallies + static_cast<int>(RouteTally::entries)], size);
    atomicAdd(&bins[kSizes + (size < kRouteSizeBins ? size : kRouteSizeBins - 1)], 1);
  }
}

__device__ Count* global_bin(const MeasureBins& bins, int bin) {
  if (bin < kMargins) return bins.tallies + (bin - kTallies);
  return bin < kSizes ? bins.margins + (bin - kMargins) : bins.sizes + (bin - kSizes);
}

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads, kRoomyBlocks)
    measure_rows(MeasureRows rows, MeasureBins bins) {
  int* counts = block_bins();
  for (int bin = static_cast<int>(threadIdx.x); bin < kNumBins; bin += kRowThreads) counts[bin] = 0;
  __syncthreads();

  double masses[kNumRouteMasses] = {};
  const std::int64_t begin = row_of_warp() * kRowsPerWarp;
  for (std::int64_t row = begin; row < begin + kRowsPerWarp && row < rows.num_rows; ++row) {
    measure_entries(rows, row, bins.count_C, masses);
    if (rows.rule.scores_RC != nullptr) measure_scores<kPerLane>(rows, row, masses);
  }
  for (double& mass : masses) mass = warp_sum(mass);
  write_block_sums(masses, bins.partial_SB);

  __syncthreads();
  for (int bin = static_cast<int>(threadIdx.x); bin < kNumBins; bin += kRowThreads) {
    if (counts[bin] != 0) atomicAdd(global_bin(bins, bin), static_cast<Count>(counts[bin]));
  }
}

[[nodiscard]] MeasureRule rule_of(const RouteChoice& choice) {
  const bool has_scores = is_present(choice.scores_RC);
  const bool has_anchor = has_scores && is_present(choice.anchor_R2);
  return {.scores_RC = has_scores ? choice.scores_RC.as<float>().data() : nullptr,
          .anchor_R2 = has_anchor ? choice.anchor_R2.as<float>().data() : nullptr,
          .alpha = choice.alpha,
          .cut = static_cast<float>(choice.cut),
          .low_cut = static_cast<float>(choice.cut - kCrossingHalfWidth),
          .high_cut = static_cast<float>(choice.cut + kCrossingHalfWidth),
          .at_least = choice.at_least,
          .at_most = choice.at_most};
}

[[nodiscard]] MeasureRows rows_of(const RouteMeasureArguments& arguments,
                                  const RouteMeasures& measures) {
  const RouteGatesArguments& gates = arguments.gates;
  const bool has_scores = is_present(arguments.choice.scores_RC);
  return {.rule = rule_of(arguments.choice),
          .row_begin_R1 = gates.sparse.row_begin_R1.data(),
          .column_N = gates.sparse.column_N.data(),
          .signed_f_RC = has_scores ? gates.signed_f_RC.as<float>().data() : nullptr,
          .gate_N = gates.gate_N.as<float>().data(),
          .mass = arguments.mass,
          .num_rows = gates.sparse.row_begin_R1.size() - 1,
          .columns = narrow<int>(measures.count_C.size()),
          .inverse_columns = 1 / static_cast<double>(measures.count_C.size())};
}

[[nodiscard]] Count* counts_of(View<std::int64_t> counts) {
  return reinterpret_cast<Count*>(counts.data());
}

}  // namespace

void route_measure(const RouteMeasureArguments& arguments, const RouteMeasures& measures,
                   Arena& scratch, Stream& stream) {
  require_f32("route_measure", arguments.gates.gate_N.dtype());
  const ArenaScope scope(scratch);
  const MeasureRows rows = rows_of(arguments, measures);
  softmoe::cuda::LaunchShape shape =
      warp_per_row(softmoe::cuda::blocks_for(rows.num_rows, kRowsPerWarp));
  shape.shared_bytes =
      block_sums_bytes(kNumRouteMasses) + kNumBins * static_cast<std::int64_t>(sizeof(int));
  const View<double> partial_SB = scratch.push<double>(kNumRouteMasses * shape.blocks);
  const MeasureBins bins{.count_C = counts_of(measures.count_C),
                         .tallies = counts_of(measures.tallies),
                         .margins = counts_of(measures.margin_bins),
                         .sizes = counts_of(measures.size_bins),
                         .partial_SB = partial_SB.data()};
  // Without scores no row is held in registers.
  const std::int64_t columns_held = rows.rule.scores_RC == nullptr ? 1 : rows.columns;
  visit_columns_per_lane("route_measure", columns_held, [&]<int kPerLane>() {
    launch(measure_rows<kPerLane>, shape, stream, rows, bins);
  });
  add_block_sums(partial_SB, measures.masses, stream);
}

}  // namespace softmoe::ops::cuda
