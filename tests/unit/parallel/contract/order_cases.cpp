// Several communicators, streams and waits of one rank: split, barrier, the order of operations.

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "parallel/bytes.h"
#include "parallel/topology.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {

namespace {

using parallel::bytes_of;
using parallel::Communicator;
using testing::Each;
using testing::ElementsAreArray;
using testing::Ge;

using Ints = std::vector<std::int32_t>;

/// The `mine` of every rank of `communicator`.
Ints gather(Communicator& communicator, std::int32_t mine, OnDevice& device) {
  const View<std::int32_t> all = device.saved.push<std::int32_t>(communicator.size());
  communicator.all_gather(bytes_of(device.upload(Ints{mine})), bytes_of(all), device.stream);
  return device.download(all);
}

void split_groups_by_color_and_orders_by_key(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  Ints expected;
  for (int r = communicator.size() - 1; r >= 0; --r) {
    if (r % 2 == me % 2) expected.push_back(r);
  }

  const auto half = communicator.split(/*color=*/me % 2, /*key=*/-me);

  EXPECT_EQ(half->size(), static_cast<int>(expected.size()));
  EXPECT_EQ(expected[static_cast<std::size_t>(half->rank().value)], me);
  EXPECT_THAT(gather(*half, me, device), ElementsAreArray(expected));
}

void split_keeps_the_order_of_ranks_for_equal_keys(Communicator& communicator, OnDevice& device) {
  const auto same = communicator.split(/*color=*/-3, /*key=*/1);

  EXPECT_EQ(same->rank(), communicator.rank());
  EXPECT_EQ(gather(*same, communicator.rank().value, device),
            gather(communicator, communicator.rank().value, device));
}

void split_works_again_on_its_result(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;

  const auto half = communicator.split(me / 2, me);
  const auto alone = half->split(half->rank().value, 0);
  const auto again = communicator.split(me / 2, me);

  EXPECT_THAT(gather(*alone, me, device), ElementsAreArray({me}));
  EXPECT_EQ(gather(*half, me, device), gather(*again, me, device));
}

void groups_follow_the_topology(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  for (int ep_size = 1; ep_size <= communicator.size(); ++ep_size) {
    if (communicator.size() % ep_size != 0) continue;
    Ints neighbours;
    for (int p = 0; p < ep_size; ++p) neighbours.push_back(me / ep_size * ep_size + p);
    Ints replicas;
    for (int r = me % ep_size; r < communicator.size(); r += ep_size) replicas.push_back(r);

    const parallel::Groups groups = parallel::make_groups(communicator, ep_size);

    EXPECT_THAT(gather(*groups.ep, me, device), ElementsAreArray(neighbours));
    EXPECT_THAT(gather(*groups.edp, me, device), ElementsAreArray(replicas));
    EXPECT_EQ(groups.ep->rank(), groups.topology.ep_rank());
    EXPECT_EQ(groups.edp->rank(), groups.topology.replica());
  }
}

void operations_of_two_communicators_and_streams_keep_their_order(Communicator& communicator,
                                                                  OnDevice& device) {
  const int me = communicator.rank().value;
  const auto half = communicator.split(me % 2, me);
  const View<std::int32_t> in_world = device.saved.push<std::int32_t>(20 * communicator.size());
  const View<std::int32_t> in_half = device.saved.push<std::int32_t>(20 * half->size());
  const View<std::int32_t> mine = device.upload(Ints{me});
  device.stream.synchronize();

  // Two streams without an edge between them: only the order of the calls keeps ranks together.
  for (int i = 0; i < 20; ++i) {
    const auto all = in_world.part(i * communicator.size(), (i + 1) * communicator.size());
    const auto part = in_half.part(i * half->size(), (i + 1) * half->size());
    communicator.all_gather(bytes_of(mine), bytes_of(all), device.stream);
    half->all_gather(bytes_of(mine), bytes_of(part), device.exchange);
  }
  // Ranks also wait in different orders.
  Stream& first = me % 2 == 0 ? device.stream : device.exchange;
  first.synchronize();
  device.stream.synchronize();
  device.exchange.synchronize();

  const Ints world_ranks = device.download(in_world);
  const Ints half_ranks = device.download(in_half);
  for (std::size_t i = 0; i < world_ranks.size(); ++i)
    EXPECT_EQ(world_ranks[i], static_cast<int>(i) % communicator.size());
  for (std::size_t i = 0; i < half_ranks.size(); ++i)
    EXPECT_EQ(half_ranks[i], static_cast<int>(i) % half->size() * 2 + me % 2);
}

void barrier_lets_nobody_pass_before_the_last_has_come(Communicator& communicator,
                                                       OnDevice& device) {
  // Ranks on one machine read one clock.
  const auto now = [] {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1);
  };
  if (communicator.rank().value == communicator.size() - 1)
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const std::int64_t came = now();

  communicator.barrier();

  const std::int64_t left = now();
  const View<std::int64_t> all = device.saved.push<std::int64_t>(communicator.size());
  communicator.all_gather(bytes_of(device.upload(std::vector<std::int64_t>{left})), bytes_of(all),
                          device.stream);
  EXPECT_THAT(device.download(all), Each(Ge(came)));
}

void barrier_first_runs_what_is_held_back(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  const View<std::int32_t> all = device.saved.push<std::int32_t>(communicator.size());

  // One half waits for the gather before the barrier, the other half never waits for it.
  communicator.all_gather(bytes_of(device.upload(Ints{me})), bytes_of(all), device.stream);
  if (me % 2 == 0) device.stream.synchronize();
  communicator.barrier();

  // Read by a stream that nothing orders behind the gather.
  HostBuffer<std::int32_t> landed;
  const HostCopy<std::int32_t> copy(all, landed, device.exchange);
  const auto ranks = copy.wait();
  for (std::size_t r = 0; r < ranks.size(); ++r) EXPECT_EQ(ranks[r], static_cast<int>(r));
}

}  // namespace

std::vector<ContractCase> order_cases() {
  return {
      {"SplitGroupsByColorAndOrdersByKey", split_groups_by_color_and_orders_by_key},
      {"SplitKeepsTheOrderOfRanksForEqualKeys", split_keeps_the_order_of_ranks_for_equal_keys},
      {"SplitWorksAgainOnItsResult", split_works_again_on_its_result},
      {"GroupsFollowTheTopology", groups_follow_the_topology},
      {"OperationsOfTwoCommunicatorsAndStreamsKeepTheirOrder",
       operations_of_two_communicators_and_streams_keep_their_order},
      {"BarrierLetsNobodyPassBeforeTheLastHasCome",
       barrier_lets_nobody_pass_before_the_last_has_come},
      {"BarrierFirstRunsWhatIsHeldBack", barrier_first_runs_what_is_held_back},
  };
}

}  // namespace softmoe::test
