#include "training/trainer.h"

#include <cmath>
#include <limits>
#include <utility>

#include "parallel/reduce.h"
#include "runtime/ops/elementwise.h"
#include "training/learning_rate.h"

namespace softmoe::training {

namespace {

using model::Space;

std::array<parallel::FlatShards::Range, 2> owned(const parallel::FlatShards& dense,
                                                 const parallel::FlatShards& expert) {
  return {dense.owned(), expert.owned()};
}

}  // namespace

Trainer::Trainer(const Parts& parts)
    : parts_(parts),
      order_(parts.source.num_sequences(), parts.config.seed),
      loader_(parts.source, parts.config.lane_sequences, parts.work.compute.device()),
      quotas_({.model = parts.model.config(),
               .lanes = parts.config.lanes,
               .tokens = std::int64_t{parts.config.lanes} * parts.config.lane_sequences *
                         parts.source.sequence_length()}),
      dense_(parts.model.parameters().elements(Space::dense), parts.groups.world),
      expert_(parts.model.parameters().elements(Space::expert), *parts.groups.edp),
      optimizer_(parts.optimizer, parts.model.parameters(), owned(dense_, expert_),
                 parts.work.compute.device(), parts.work.compute),
      next_step_(parts.first_step),
      scalars_(parts.work.compute.device(), Bytes(2 * size_of(DType::f64))) {
  if (parts.model.parameters().exact()) {
    exact_.emplace(std::vector<View<double>>{scalars_.as<double>(), parts.model.routing().sums()},
                   parts.work.compute.device());
  }
  require((parts.governor != nullptr) == (parts.groups.world.rank() == Rank(0)),
          "rank 0, and no other, has a governor");
}

const StepResult& Trainer::step(std::uint32_t requests) {
  const auto begin = Progress::Clock::now();
  parts_.work.progress.begin_step(next_step_);
  parts_.work.progress.reset_seconds();
  result_.restart();
  const budget::ControlWord word = agree_on_word(requests);
  run_lanes(word);
  sum_gradients();
  if (gradient_probe_) gradient_probe_(dense_, expert_);
  const GlobalSums global = sum_over_ranks();
  record(word, global);
  update(global);
  parts_.model.routing().set_balance(global.counts, parts_.work.compute);
  if (has_quotas_ && !result_.was_skipped) follow_cuts();
  observe();
  next_step_ = Step(next_step_.value + 1);

  parts_.work.compute.synchronize();
  parts_.work.progress.enter(Phase::idle, 0);
  measure_time(begin);
  return result_;
}

void Trainer::measure_time(Progress::Clock::time_point begin) {
  using Seconds = std::chrono::duration<double>;
  double sum = 0;
  for (int phase = 0; phase < kNumPhases; ++phase) {
    const double seconds = parts_.work.progress.seconds(static_cast<Phase>(phase));
    result_.phase_seconds[static_cast<std::size_t>(phase)] = seconds;
    sum += seconds;
  }
  const auto end = Progress::Clock::now();
  result_.seconds = Seconds(end - begin).count();
  // The moments before the first phase and after the last one.
  result_.phase_seconds[static_cast<std::size_t>(Phase::idle)] += result_.seconds - sum;
  if (last_end_) result_.seconds_between = Seconds(begin - *last_end_).count();
  last_end_ = end;
}

budget::ControlWord Trainer::agree_on_word(std::uint32_t requests) {
  budget::ControlWord word;
  if (parts_.governor != nullptr) word = parts_.governor->word_for(next_step_, requests);
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(&word, 1)), Rank(0),
                              parts_.groups.world, parts_.work.exchange);
  expect(word.step == next_step_, "all ranks are at the step of the control word");
  quotas_.agree_on_bounds(word, parts_.governor, parts_.groups.world, parts_.work.exchange);
  return word;
}

void Trainer::run_lanes(const budget::ControlWord& word) {
  Stream& stream = parts_.work.compute;
  parts_.model.begin_step({.alpha = word.alpha, .lambda = word.lambda}, stream);
  has_quotas_ = quotas_.apply_to(word);
  if (has_quotas_) {
    quotas_.begin_step(word, parts_.model.routing().means());
  } else {
    parts_.model.routing().forget_cuts();
  }
  parts_.model.parameters().forget_gradients(stream);
  ops::fill_zero(scalars_.tensor(DType::f64, {2}), stream);
  if (exact_) exact_->begin(stream);
  // All ranks go through equally many rounds; one without a lane takes part with no tokens.
  const int world = parts_.groups.topology.world;
  const int rank = parts_.groups.topology.rank.value;
  const int rounds = (parts_.config.lanes + world - 1) / world;
  for (int round = 0; round < rounds; ++round) run_lane(round * world + rank);
  if (!exact_) parts_.model.routing().fold_layer_means_gradient(parts_.model.eta(), parts_.work);
  parts_.model.parameters().settle_gradients(stream);
}

void Trainer::run_lane(int lane) {
  const std::int64_t first_place = first_place_of_lane(next_step_.value, lane, parts_.config.lanes,
                                                       parts_.config.lane_sequences);
  lane_sequences_.clear();
  model::Batch batch;
  {
    const PhaseScope phase(parts_.work.progress, Phase::data);
    if (lane < parts_.config.lanes) {
      for (int i = 0; i < parts_.config.lane_sequences; ++i) {
        lane_sequences_.push_back(order_.sequence_at(first_place + i));
      }
    }
    batch = loader_.load(lane_sequences_, first_place * parts_.source.sequence_length(),
                         parts_.work.compute);
  }
  const bool is_given = given_plans_ && lane < parts_.config.lanes;
  parts_.model.add_loss_and_gradient(
      batch,
      {.seed = parts_.config.seed,
       .step = next_step_.value,
       .mode = router::RouteMode::training,
       .given = is_given ? given_plans_(lane) : std::span<const router::RoutePlan>(),
       .quota_L = has_quotas_ ? quotas_.of_lane(lane) : std::span<const std::int64_t>()},
      scalars_.tensor(DType::f64, {2}).rows(0, 1), parts_.work);
  if (exact_) {
    parts_.model.routing().fold_layer_means_gradient(parts_.model.eta(), parts_.work);
    exact_->take_lane(parts_.work.compute);
  }
  for (int layer = 0; layer < parts_.model.config().moe_layers(); ++layer) {
    const experts::MoeTraffic traffic = parts_.model.moe(layer).traffic();
    result_.rows_sent += traffic.rows_sent;
    result_.rows_received += traffic.rows_received;
    result_.rows_sent_off_rank += traffic.rows_sent_off_rank;
    result_.rows_again_off_rank += traffic.rows_again_off_rank;
    if (traffic.waves == 1) continue;
    result_.receive_waves += traffic.waves;
    ++result_.layers_in_waves;
  }
}

void Trainer::sum_gradients() {
  const PhaseScope phase(parts_.work.progress, Phase::reduce);
  model::ParameterStore& parameters = parts_.model.parameters();
  Workspace& work = parts_.work;
  // The pieces of the peers lie in scratch, which `compute` gets back when `reduce` has passed.
  join(work.compute, work.reduce);
  dense_.reduce_scatter(parameters.gradients(Space::dense), work.scratch, work.reduce);
  expert_.reduce_scatter(parameters.gradients(Space::expert), work.scratch, work.reduce);
  join(work.reduce, work.compute);
  result_.bytes_reduced = dense_.bytes_sent(parameters.gradient_dtype()).reduce_scatter +
                          expert_.bytes_sent(parameters.gradient_dtype()).reduce_scatter;
}

Trainer::GlobalSums Trainer::sum_over_ranks() {
  const PhaseScope phase(parts_.work.progress, Phase::reduce);
  Workspace& work = parts_.work;
  parallel::Communicator& world = parts_.groups.world;
  const model::RoutingState& routing = parts_.model.routing();
  const View<double> scalars = scalars_.as<double>();
  parallel::all_reduce_sum(routing.counts(), world, work.scratch, work.compute);
  sum_numbers();
  const HostCopy<std::int64_t> counts(routing.counts(), landed_counts_, work.compute);
  const HostCopy<double> sums(routing.sums(), landed_sums_, work.compute);
  const HostCopy<double> scalars_on_host(scalars, landed_scalars_, work.compute);
  GlobalSums global{.counts = counts.wait(), .sums = sums.wait()};
  global.loss = scalars_on_host.wait()[0];
  global.gradient_square = scalars_on_host.wait()[1];
  const router::CountPlaces places{parts_.model.config().experts.num_experts};
  global.tokens = global.counts[static_cast<std::size_t>(places.tokens())];
  if (exact_ && has_overflow()) {
    global.gradient_square = std::numeric_limits<double>::infinity();
  }
  return global;
}

void Trainer::sum_numbers() {
  Workspace& work = parts_.work;
  parallel::Communicator& world = parts_.groups.world;
  const View<double> scalars = scalars_.as<double>();
  if (exact_) {
    optimizer_.add_squares(exact_->sum(1), work.scratch, work.compute);
    exact_->sum_over_ranks(world, work.scratch, work.compute);
    return;
  }
  optimizer_.sum_squares(scalars.part(1, 2), work.scratch, work.compute);
  parallel::all_reduce_sum(parts_.model.routing().sums(), world, work.scratch, work.compute);
  parallel::all_reduce_sum(scalars, world, work.scratch, work.compute);
}

bool Trainer::has_overflow() {
  Workspace& work = parts_.work;
  const View<std::int64_t> overflow = parts_.model.parameters().overflow();
  parallel::all_reduce_sum(overflow, parts_.groups.world, work.scratch, work.compute);
  const HostCopy<std::int64_t> copy(overflow, landed_overflow_, work.compute);
  return copy.wait()[0] > 0;
}

void Trainer::update(const GlobalSums& global) {
  Workspace& work = parts_.work;
  const double tokens = static_cast<double>(global.tokens);
  result_.gradient_norm = std::sqrt(global.gradient_square) / tokens;
  result_.rates = rates_at(parts_.optimizer, next_step_.value, parts_.config.steps);
  const double limit = parts_.optimizer.clip_norm;
  if (limit > 0 && result_.gradient_norm > limit)
    result_.clip_factor = limit / result_.gradient_norm;
  // The sums are the same numbers on every rank, so all of them skip together.
  result_.was_skipped = !std::isfinite(result_.gradient_norm) || !std::isfinite(result_.loss);
  if (result_.was_skipped) return;
  model::ParameterStore& parameters = parts_.model.parameters();
  {
    const PhaseScope phase(work.progress, Phase::optimizer);
    optimizer_.update(result_.rates, result_.clip_factor / tokens, work.scratch, work.compute);
  }
  const PhaseScope phase(work.progress, Phase::gather);
  join(work.compute, work.reduce);
  dense_.all_gather(parameters.values(Space::dense), work.reduce);
  expert_.all_gather(parameters.values(Space::expert), work.reduce);
  join(work.reduce, work.compute);
  result_.bytes_gathered = dense_.bytes_sent(parameters.dtype()).all_gather +
                           expert_.bytes_sent(parameters.dtype()).all_gather;
}

void Trainer::observe() {
  if (parts_.governor == nullptr) return;
  result_.record_refused = parts_.governor->observe(result_.record);
  const bool misses_quotas = result_.record.in_force.mode == budget::Mode::quota && !has_quotas_;
  if (misses_quotas) result_.record_refused = quotas_.fault();
}

void Trainer::follow_cuts() {
  cut_L_.clear();
  for (const router::RouteSummary& layer : result_.layers) cut_L_.push_back(layer.cut);
  parts_.model.routing().follow_cuts(cut_L_);
}

void Trainer::record(const budget::ControlWord& word, const GlobalSums& global) {
  const model::RoutingState& routing = parts_.model.routing();
  const auto layers = static_cast<std::size_t>(parts_.model.config().moe_layers());
  const double tokens = static_cast<double>(global.tokens);
  result_.loss = global.loss / tokens;
  budget::StepRecord& record = result_.record;
  record.in_force = word;
  record.tokens = global.tokens;
  record.executed_L.resize(layers);
  for (auto* numbers_L : {&record.gain_L, &record.boundary_mass_L, &record.soft_mass_L})
    numbers_L->resize(layers);
  result_.layers.resize(layers);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    router::RouteSummary& summary = result_.layers[layer];
    summary =
        routing.summarise(static_cast<int>(layer), global.counts, global.sums, std::move(summary));
    record.executed_L[layer] = summary.rows;
    record.gain_L[layer] = summary.density;
    record.boundary_mass_L[layer] = summary.boundary_mass;
    record.soft_mass_L[layer] = routing.means()[layer];
    result_.balance_loss += summary.balance_loss + summary.z_loss;
  }
}

}  // namespace softmoe::training
