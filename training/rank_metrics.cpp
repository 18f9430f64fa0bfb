#include "training/rank_metrics.h"

#include <string>

namespace softmoe::training {

namespace {

using metrics::Family;
using metrics::Kind;

const Family kPhases{
    .name = "softmoe_step_phase_seconds_total",
    .kind = Kind::counter,
    .labels = {"phase"},
    .help =
        "Time of this rank by phase of the step; phases are exclusive and sum to the wall time"};
const Family kBytes{.name = "softmoe_alltoall_bytes_total",
                    .kind = Kind::counter,
                    .labels = {"direction", "pass"},
                    .help = "Bytes that this rank sent to others in the exchange of rows"};
const Family kRows{.name = "softmoe_alltoall_rows_total",
                   .kind = Kind::counter,
                   .labels = {"direction", "scope"},
                   .help = "Rows that this rank sent and received in forward passes"};
const Family kWaves{
    .name = "softmoe_receive_waves_total",
    .kind = Kind::counter,
    .help = "Waves of layers that did not receive all rows at once (parallel.max_received_rows)"};
const Family kCollectives{
    .name = "softmoe_collective_bytes_total",
    .kind = Kind::counter,
    .labels = {"op"},
    .help = "Bytes that this rank sent in the gradients' and parameters' collectives"};
const Family kArenas{
    .name = "softmoe_arena_peak_bytes", .labels = {"arena"}, .help = "Most that an arena held"};

/// What a step spends: storage is entered between steps only.
bool is_of_a_step(Phase phase) {
  return phase != Phase::storage;
}

}  // namespace

RankMetrics::RankMetrics(metrics::Registry& registry, const experts::RowTraffic& row_bytes,
                         const Workspace& work)
    : row_bytes_(row_bytes),
      work_(work),
      dispatch_forward_(registry.counter(kBytes, {"dispatch", "forward"})),
      dispatch_backward_(registry.counter(kBytes, {"dispatch", "backward"})),
      combine_forward_(registry.counter(kBytes, {"combine", "forward"})),
      combine_backward_(registry.counter(kBytes, {"combine", "backward"})),
      rows_sent_(registry.counter(kRows, {"sent", "all"})),
      rows_sent_off_rank_(registry.counter(kRows, {"sent", "off_rank"})),
      rows_received_(registry.counter(kRows, {"received", "all"})),
      receive_waves_(registry.counter(kWaves, {})),
      bytes_reduced_(registry.counter(kCollectives, {"reduce_scatter"})),
      bytes_gathered_(registry.counter(kCollectives, {"all_gather"})),
      saved_peak_(registry.gauge(kArenas, {"saved"})),
      scratch_peak_(registry.gauge(kArenas, {"scratch"})) {
  for (int index = 0; index < kNumPhases; ++index) {
    const auto phase = static_cast<Phase>(index);
    if (is_of_a_step(phase)) {
      phases_.push_back(registry.counter(kPhases, {std::string(name_of(phase))}));
    }
  }
  phases_.push_back(registry.counter(kPhases, {"between"}));
}

void RankMetrics::observe(const StepResult& result) {
  auto counter = phases_.begin();
  for (int index = 0; index < kNumPhases; ++index) {
    if (!is_of_a_step(static_cast<Phase>(index))) continue;
    counter->add(result.phase_seconds[static_cast<std::size_t>(index)]);
    ++counter;
  }
  counter->add(result.seconds_between);
  observe_rows(result);
  bytes_reduced_.add(static_cast<double>(result.bytes_reduced));
  bytes_gathered_.add(static_cast<double>(result.bytes_gathered));
  saved_peak_.set(static_cast<double>(work_.saved.peak().value));
  scratch_peak_.set(static_cast<double>(work_.scratch.peak().value));
}

void RankMetrics::observe_rows(const StepResult& result) {
  rows_sent_.add(static_cast<double>(result.rows_sent));
  rows_sent_off_rank_.add(static_cast<double>(result.rows_sent_off_rank));
  rows_received_.add(static_cast<double>(result.rows_received));
  receive_waves_.add(static_cast<double>(result.receive_waves));
  // Tokens go to the experts and their gradients come back; outputs come back and theirs go out. A
  // rank sends the first for its own tokens, the second for the rows that it was sent.
  const auto out = static_cast<double>(result.rows_sent_off_rank);
  const auto again = static_cast<double>(result.rows_again_off_rank);
  const auto back = static_cast<double>(result.rows_received_off_rank());
  dispatch_forward_.add(out * static_cast<double>(row_bytes_.dispatch_forward));
  combine_backward_.add(out * static_cast<double>(row_bytes_.combine_backward));
  combine_forward_.add(back * static_cast<double>(row_bytes_.combine_forward));
  dispatch_backward_.add(back * static_cast<double>(row_bytes_.dispatch_backward) +
                         again * static_cast<double>(row_bytes_.dispatch_again));
}

}  // namespace softmoe::training
