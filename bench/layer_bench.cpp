#include "bench/layer_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "bench/rank_workspace.h"
#include "bench/shape.h"
#include "bench/wrong_elements.h"
#include "experts/place_by_load.h"
#include "parallel/local/local_world.h"
#include "parallel/reduce.h"
#include "runtime/device/host_copy.h"

namespace softmoe::bench {

namespace {

/// A step in which the burst comes, and the hotspot has moved.
constexpr Step kStep{3};
/// Tokens of a rank that are computed again by the kernels that specify.
constexpr std::int64_t kCheckedTokens = 32;

LayerRank::Tokens tokens_of(const launcher::RunConfig& config, Rank rank) {
  const std::int64_t count = lane_tokens(config);
  return {.first = rank.value * count, .count = count};
}

WorkloadCase case_of(const launcher::RunConfig& config, Workload workload, int num_ranks,
                     Step step) {
  return {.workload = workload,
          .num_ranks = num_ranks,
          .num_tokens = lane_tokens(config),
          .num_experts = config.model.experts.num_experts,
          .mean_experts = mean_experts(config),
          .seed = config.training.seed,
          .step = step.value};
}

/// Those of the first tokens.
TokenExperts first_choices(const TokenExperts& choices, std::int64_t tokens) {
  TokenExperts first;
  first.row_begin_T1.assign(choices.row_begin_T1.begin(),
                            choices.row_begin_T1.begin() + tokens + 1);
  first.expert_N.assign(choices.expert_N.begin(),
                        choices.expert_N.begin() + first.row_begin_T1.back());
  return first;
}

}  // namespace

LayerBench::LayerBench(const launcher::RunConfig& config, parallel::Communicator& ep,
                       Workspace& work)
    : config_(config),
      ep_(ep),
      work_(work),
      rank_(config, tokens_of(config, ep.rank()), ep, work) {}

LayerBench::Routed LayerBench::route(const GivenRouting& routing) const {
  const int num_ranks = ep_.size();
  const int num_experts = config_.model.experts.num_experts;
  const WorkloadCase of = case_of(config_, routing.workload, num_ranks, kStep);
  std::vector<int> slot_E(static_cast<std::size_t>(num_experts));
  std::iota(slot_E.begin(), slot_E.end(), 0);
  if (routing.is_placed) {
    const Step before(kStep.value - 1);
    slot_E = experts::place_by_load(
        rows_per_expert(case_of(config_, routing.workload, num_ranks, before)), num_ranks);
  }
  Routed routed{
      .choices = relabelled(choose_experts(of, ep_.rank().value), slot_E),
      .count_PE = std::vector<std::int32_t>(static_cast<std::size_t>(num_ranks * num_experts))};
  for (int rank = 0; rank < num_ranks; ++rank) {
    const auto row_E = rows_per_expert(of, rank);
    for (std::size_t expert = 0; expert < row_E.size(); ++expert) {
      const int place = rank * num_experts + slot_E[expert];
      routed.count_PE[static_cast<std::size_t>(place)] = static_cast<std::int32_t>(row_E[expert]);
    }
  }
  return routed;
}

double LayerBench::seconds_between_barriers(const std::function<void()>& work) {
  ep_.barrier();
  const auto begin = std::chrono::steady_clock::now();
  work();
  ep_.barrier();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

LayerFigures LayerBench::measure(const GivenRouting& routing, int repeats) {
  const Routed routed = route(routing);
  const int num_experts = config_.model.experts.num_experts;
  const PlanOnDevice plan(routed.choices, num_experts, work_);
  LayerFigures figures{.routing = routing};
  for (int repeat = -1; repeat < repeats; ++repeat) {
    const double forward = seconds_between_barriers([&] { rank_.forward(plan.plan()); });
    check_rows(routed);
    const double backward = seconds_between_barriers([&] { rank_.backward(); });
    if (repeat < 0) continue;
    figures.forward_seconds.push_back(forward);
    figures.backward_seconds.push_back(backward);
  }
  std::vector<std::int64_t> load_E(static_cast<std::size_t>(num_experts));
  for (std::size_t i = 0; i < routed.count_PE.size(); ++i)
    load_E[i % load_E.size()] += routed.count_PE[i];
  figures.skew = skew_of(load_E, ep_.size());
  figures.rows = std::accumulate(load_E.begin(), load_E.end(), std::int64_t{0});
  measure_exchange(routed, repeats, figures);
  check_numbers(routed, figures);
  return figures;
}

void LayerBench::check_rows(const Routed& routed) const {
  const auto num_experts = static_cast<std::size_t>(config_.model.experts.num_experts);
  const auto experts_here = num_experts / static_cast<std::size_t>(ep_.size());
  const auto rank = static_cast<std::size_t>(ep_.rank().value);
  std::int64_t sent = 0;
  std::int64_t received = 0;
  for (std::size_t i = 0; i < routed.count_PE.size(); ++i) {
    if (i / num_experts == rank) sent += routed.count_PE[i];
    if (i % num_experts / experts_here == rank) received += routed.count_PE[i];
  }
  const experts::MoeTraffic traffic = rank_.layer().traffic();
  HostBuffer<std::int32_t> landed;
  const HostCopy<std::int32_t> copy(rank_.layer().plan().count_E, landed, work_.compute);
  const auto count_E = copy.wait();
  const auto wanted_E = std::span(routed.count_PE).subspan(rank * num_experts, num_experts);
  if (traffic.rows_sent == sent && traffic.rows_received == received &&
      std::equal(count_E.begin(), count_E.end(), wanted_E.begin(), wanted_E.end())) {
    return;
  }
  throw InternalError(
      fmt::format("rank {} sent {} rows and received {}; the workload has {} and {}", rank,
                  traffic.rows_sent, traffic.rows_received, sent, received));
}

void LayerBench::measure_exchange(const Routed& routed, int repeats, LayerFigures& figures) {
  const ArenaScope scope(work_.scratch);
  const int num_experts = config_.model.experts.num_experts;
  const std::int64_t hidden = config_.model.hidden;
  parallel::RowExchange exchange(ep_, num_experts / ep_.size());
  exchange.plan(routed.count_PE);
  const TensorView sent = work_.scratch.push(DType::f32, {exchange.rows_sent(), hidden});
  const TensorView received = work_.scratch.push(DType::f32, {exchange.rows_received(), hidden});
  for (int repeat = -1; repeat < repeats; ++repeat) {
    const double seconds = seconds_between_barriers([&] {
      exchange.forward(sent, received, work_.exchange);
      work_.exchange.synchronize();
    });
    if (repeat >= 0) figures.exchange_seconds.push_back(seconds);
  }
  const auto num_ranks = static_cast<std::size_t>(ep_.size());
  const auto rank = static_cast<std::size_t>(ep_.rank().value);
  std::vector<std::int64_t> bytes_2P(2 * num_ranks);
  const std::int64_t row_bytes = hidden * size_of(DType::f32);
  const std::int64_t kept = exchange.rows_sent() - exchange.rows_sent_off_rank();
  bytes_2P[rank] = exchange.rows_sent() * row_bytes;
  bytes_2P[num_ranks + rank] =
      std::max(exchange.rows_sent_off_rank(), exchange.rows_received() - kept) * row_bytes;
  parallel::all_reduce_sum_on_host(std::span<std::int64_t>(bytes_2P), ep_, work_.exchange);
  const auto middle = bytes_2P.begin() + std::ssize(bytes_2P) / 2;
  figures.most_bytes_sent = *std::max_element(bytes_2P.begin(), middle);
  figures.most_bytes_on_link = *std::max_element(middle, bytes_2P.end());
}

std::vector<float> LayerBench::on_host(ConstTensorView rows) {
  HostBuffer<float> landed;
  const HostCopy<float> copy(rows.as<float>(), landed, work_.compute);
  const auto numbers = copy.wait();
  return {numbers.begin(), numbers.end()};
}

void LayerBench::check_numbers(const Routed& routed, LayerFigures& figures) {
  const std::int64_t tokens = std::min(kCheckedTokens, lane_tokens(config_));
  const std::vector<float> y = on_host(rank_.y_TH().rows(0, tokens));
  const std::vector<float> d_x = on_host(rank_.d_x_TH().rows(0, tokens));
  // The same tokens alone, all experts on one rank, plain loops.
  const auto alone = parallel::LocalWorld(1).communicator(Rank(0));
  RankWorkspace specified({.backend = Backend::reference});
  LayerRank reference(config_, {.first = tokens_of(config_, ep_.rank()).first, .count = tokens},
                      *alone, specified.work());
  const PlanOnDevice plan(first_choices(routed.choices, tokens), config_.model.experts.num_experts,
                          specified.work());
  reference.forward(plan.plan());
  reference.backward();
  std::array<std::int64_t, 2> wrong_and_checked = {
      wrong_elements(y, on_host(reference.y_TH())) +
          wrong_elements(d_x, on_host(reference.d_x_TH())),
      std::ssize(y) + std::ssize(d_x)};
  parallel::all_reduce_sum_on_host(std::span<std::int64_t>(wrong_and_checked), ep_, work_.exchange);
  figures.wrong_elements = wrong_and_checked[0];
  figures.checked_elements = wrong_and_checked[1];
}

}  // namespace softmoe::bench
