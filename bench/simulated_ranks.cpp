#include "bench/simulated_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace softmoe::bench {

using namespace std::chrono_literals;
using coordinator::ClientCalls;
using coordinator::Method;
using coordinator::Role;

namespace {

constexpr auto kDeadline = 2s;  ///< of a call, as ranks have it
constexpr std::uint64_t kFirstIncarnation = 1'000'000;

}  // namespace

void Seen::add(const Seen& other) {
  latencies_ms.insert(latencies_ms.end(), other.latencies_ms.begin(), other.latencies_ms.end());
  latest_ms = std::max(latest_ms, other.latest_ms);
  failed += other.failed;
  refused += other.refused;
  if (first_error.empty()) first_error = other.first_error;
}

SimulatedRanks::SimulatedRanks(const CoordinatorProcess& process, const coordinator::Status& status,
                               int first, int stride)
    : status_(status), first_(first), stride_(stride) {
  const coordinator::Endpoint endpoint = process.endpoint(Role::rank);
  for (int rank = first; rank < status.run.world; rank += stride)
    calls_.push_back(std::make_unique<ClientCalls>(endpoint, Rank{rank}));
}

void SimulatedRanks::register_all(Seen& seen) {
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    coordinator::Registration registration{.run = status_.run,
                                           .process = process_of(i),
                                           .host = fmt::format("node-{}", i / 8),
                                           .process_id = 1000,
                                           .seen_term = 0,
                                           .governor = {}};
    if (registration.process.rank == Rank{0})
      registration.governor =
          coordinator::GovernorReport{Step{0}, {{Step{0}, status_.budget.in_force}}};
    (void)seen.time([&] {
      (void)calls_[i]->call<coordinator::Admission>(Method::register_rank, registration, kDeadline);
    });
  }
}

void SimulatedRanks::beat(Clock::time_point begin, Clock::duration period, int num_periods,
                          Seen& seen) {
  for (int round = 0; round < num_periods; ++round) {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const double share = static_cast<double>(process_of(i).rank.value) / status_.run.world;
      const auto due =
          begin + round * period + std::chrono::duration_cast<Clock::duration>(share * period);
      std::this_thread::sleep_until(due);
      seen.latest_ms = std::max(seen.latest_ms, milliseconds_of(Clock::now() - due));
      const coordinator::Heartbeat heartbeat{
          .run_id = status_.run.run_id,
          .process = process_of(i),
          .term = status_.term,
          .place = {
              .step = Step{round}, .phase = Phase::experts, .layer = 1, .operation = round % 7}};
      const auto took = seen.time([&] {
        (void)calls_[i]->call<coordinator::HeartbeatReply>(Method::heartbeat, heartbeat, kDeadline);
      });
      if (took) seen.latencies_ms.push_back(*took);
    }
  }
}

coordinator::RankProcess SimulatedRanks::process_of(std::size_t i) const {
  const int rank = first_ + static_cast<int>(i) * stride_;
  return {Rank{rank}, kFirstIncarnation + static_cast<std::uint64_t>(rank)};
}

}  // namespace softmoe::bench
