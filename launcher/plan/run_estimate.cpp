#include "launcher/plan/run_estimate.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "experts/expert_placement.h"
#include "experts/row_traffic.h"
#include "launcher/run/measured_peak.h"
#include "model/transformer_parameters.h"
#include "model/transformer_size.h"
#include "parallel/flat_shards.h"
#include "parallel/planned_rank.h"
#include "training/data/pair_counts.h"
#include "training/lane_loader.h"

namespace softmoe::launcher {

namespace {

using model::Space;
using parallel::FlatShards;
using parallel::PlannedRank;

constexpr DType kType = DType::f32;  // what a run computes in so far

/// The layout of rank 0 and what it owns.
class PlannedShare {
 public:
  PlannedShare(const RunConfig& config, int world)
      : parameters_(kType, ExpertId(0), exact_gradients(config)),
        world_(Rank(0), world),
        replicas_(Rank(0), world / expert_ranks(config, world)) {
    const experts::ExpertPlacement placement(config.model.experts.num_experts,
                                             expert_ranks(config, world));
    model::declare_parameters(config.model, placement.experts_per_rank(), parameters_);
  }
  PlannedShare(const PlannedShare&) = delete;
  PlannedShare& operator=(const PlannedShare&) = delete;

  [[nodiscard]] const model::ParameterStore& parameters() const { return parameters_; }
  [[nodiscard]] FlatShards dense() { return {parameters_.elements(Space::dense), world_}; }
  [[nodiscard]] FlatShards expert() { return {parameters_.elements(Space::expert), replicas_}; }

 private:
  model::ParameterStore parameters_;
  PlannedRank world_;
  PlannedRank replicas_;
};

std::int64_t tokens_of_lane(const RunConfig& config) {
  return std::int64_t{config.training.lane_sequences} * config.model.positions;
}

double mean_experts(const RunConfig& config) {
  return config.total_budget() / config.model.moe_layers();
}

/// k of a layer. Learned means leave K / L at once, and where that is a whole number a layer's cap
/// is then one expert more.
double soft_mass_of_layer(const RunConfig& config) {
  constexpr double kDrift = 1.001;
  const double mean = config.total_mass() / config.model.moe_layers();
  const bool is_fixed = config.model.router.layer_means == router::LayerMeans::uniform;
  return is_fixed ? mean : mean * kDrift;
}

double rows_of_lane(const RunConfig& config) {
  return static_cast<double>(tokens_of_lane(config)) * mean_experts(config);
}

std::vector<experts::LayerRows> rows_of_layers(const RunConfig& config,
                                               const EstimateBasis& basis) {
  const ReceiveEstimate receiving = estimate_receiving(config, basis);
  const experts::LayerRows rows{.k = soft_mass_of_layer(config),
                                .rows_sent = std::llround(rows_of_lane(config)),
                                .rows_received = receiving.rows,
                                .waves = receiving.waves};
  return std::vector<experts::LayerRows>(static_cast<std::size_t>(config.model.moe_layers()), rows);
}

void push_pieces(const FlatShards& shards, DType dtype, ArenaMeasure& scratch) {
  const MeasureScope scope(scratch);
  scratch.push(dtype, {shards.elements_of_peers()}, 1.0, ArenaMeasure::Purpose::exchange);
}

/// Slices of exact gradients as numbers, for the optimizer.
void push_slice(const FlatShards& shards, ArenaMeasure& scratch) {
  const MeasureScope scope(scratch);
  scratch.push(kType, {std::min(shards.owned().size(), model::AdamwOptimizer::kSlice)});
}

/// All that goes through the arenas: the measured peak, the lanes, the sums of gradients.
WorkspaceMeasure measure_arenas(const RunConfig& config, const EstimateBasis& basis,
                                PlannedShare& share) {
  WorkspaceMeasure work{.threads = config.runtime.threads};
  {
    const MeasureScope scope(work.scratch);
    [[maybe_unused]] const auto matrices = push_peak_matrices(work.scratch);
  }
  const std::vector<experts::LayerRows> rows_L = rows_of_layers(config, basis);
  model::measure_lane(config.model,
                      {.sequences = config.training.lane_sequences,
                       .positions = config.model.positions,
                       .expert_parallel = expert_ranks(config, basis.world),
                       .exchange_chunks = config.parallel.exchange_chunks,
                       .recompute = config.training.recompute,
                       .has_quota = config.budget.mode == budget::Mode::quota,
                       .determinism = config.training.determinism,
                       .dtype = kType,
                       .rows_L = rows_L},
                      work);
  for (const FlatShards& shards : {share.dense(), share.expert()}) {
    push_pieces(shards, share.parameters().gradient_dtype(), work.scratch);
    if (share.parameters().exact()) push_slice(shards, work.scratch);
  }
  return work;
}

std::int64_t bytes_of_results(const RunConfig& config, const PlannedShare& share) {
  std::int64_t largest = 0;
  for (const model::LogicalTensor& tensor : share.parameters().logical_tensors())
    largest = std::max(largest, tensor.shape.elements() * size_of(kType));
  return largest + training::PairCounts::table_bytes(config.model.vocabulary);
}

}  // namespace

int expert_ranks(const RunConfig& config, int world) {
  return config.parallel.expert_parallel == 0 ? world : config.parallel.expert_parallel;
}

MemoryEstimate estimate_memory(const RunConfig& config, const EstimateBasis& basis) {
  PlannedShare share(config, basis.world);
  const model::ParameterStore& parameters = share.parameters();
  MemoryEstimate memory;
  memory.weights = parameters.bytes(Space::dense).value + parameters.bytes(Space::expert).value;
  memory.gradients = parameters.gradient_bytes(Space::dense).value +
                     parameters.gradient_bytes(Space::expert).value;
  for (const FlatShards& shards : {share.dense(), share.expert()}) {
    memory.optimizer += model::kMoments * model::moment_bytes(shards.owned().size(), kType).value;
  }
  const WorkspaceMeasure work = measure_arenas(config, basis, share);
  memory.saved = work.saved.touched().value;
  memory.exchange = std::min(work.scratch.exchanged().value, work.scratch.touched().value);
  memory.scratch = work.scratch.touched().value - memory.exchange;
  memory.saved_arena = work.saved.peak().value;
  memory.scratch_arena = work.scratch.peak().value;
  memory.data =
      2 * training::LaneLoader::bytes(config.training.lane_sequences, config.model.positions).value;
  memory.results = bytes_of_results(config, share);
  return memory;
}

ReceiveEstimate estimate_receiving(const RunConfig& config, const EstimateBasis& basis) {
  // The first round of lanes is the fullest: rank 0 has one, and so have the others of its group
  // while there are lanes.
  const int ranks = expert_ranks(config, basis.world);
  const double of_group = rows_of_lane(config) * std::min(config.training.lanes, ranks);
  const double received = std::min(of_group, of_group / ranks * basis.imbalance);
  ReceiveEstimate receiving{.rows = std::llround(received)};
  const std::int64_t bound = config.parallel.max_received_rows;
  if (bound > 0) receiving.waves = std::max<std::int64_t>(1, (receiving.rows + bound - 1) / bound);
  return receiving;
}

TrafficEstimate estimate_traffic(const RunConfig& config, int world) {
  PlannedShare share(config, world);
  const int ranks = expert_ranks(config, world);
  const WorkEstimate work = estimate_work(config);
  TrafficEstimate traffic;
  // With balanced routing a row's expert is on any rank of the group alike.
  const double rows = static_cast<double>(work.tokens_per_step) * config.total_budget();
  traffic.rows_off_rank = rows / world * (ranks - 1) / ranks;
  const experts::RowTraffic bytes = experts::row_traffic(config.model.hidden, kType);
  const bool goes_again = config.training.recompute == model::Recompute::block ||
                          estimate_receiving(config, {.world = world}).waves > 1;
  traffic.alltoall = traffic.rows_off_rank *
                     static_cast<double>(bytes.total() + (goes_again ? bytes.dispatch_again : 0));
  const std::int64_t rounds = (config.training.lanes + world - 1) / world;
  traffic.counts = rounds * config.model.moe_layers() * (ranks - 1) *
                   config.model.experts.num_experts * size_of(DType::i32);
  for (const FlatShards& shards : {share.dense(), share.expert()}) {
    traffic.reduce_scatter += shards.bytes_sent(share.parameters().gradient_dtype()).reduce_scatter;
    traffic.all_gather += shards.bytes_sent(kType).all_gather;
  }
  return traffic;
}

WorkEstimate estimate_work(const RunConfig& config) {
  WorkEstimate work{.parameters = model::count_parameters(config.model)};
  const double budget = config.total_budget();
  work.active_parameters = work.parameters.dense +
                           std::llround(static_cast<double>(work.parameters.per_expert) * budget);
  work.tokens_per_step = tokens_of_lane(config) * config.training.lanes;
  work.tokens = work.tokens_per_step * config.training.steps;
  const auto rows = std::llround(static_cast<double>(work.tokens_per_step) * budget);
  work.flops_per_step =
      model::training_flops(config.model, work.tokens_per_step, config.model.positions, rows);
  work.flops = work.flops_per_step * static_cast<double>(config.training.steps);
  return work;
}

}  // namespace softmoe::launcher
