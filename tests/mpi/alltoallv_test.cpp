// MPI's own ragged all-to-all as the oracle of ours.

#include <gtest/gtest.h>
#include <mpi.h>

#include <numeric>

#include "parallel/bytes.h"
#include "runtime/base/philox.h"
#include "tests/mpi/rank_session.h"
#include "tests/support/on_device.h"

namespace softmoe::test {
namespace {

using parallel::bytes_of;
using parallel::ReceiveMessage;
using parallel::SendMessage;

using Ints = std::vector<int>;

/// Numbers that rank `from` sends to rank `to` in a round: none in a third of the pairs.
int count_of(int round, int from, int to) {
  const RandomKey key{.seed = 7, .step = static_cast<std::uint32_t>(round)};
  const auto words = philox(key, static_cast<std::uint64_t>(from * 1'000 + to));
  return words[0] % 3 == 0 ? 0 : static_cast<int>(words[1] % 3'000);
}

Ints displacements(const Ints& counts) {
  Ints places(counts.size(), 0);
  std::partial_sum(counts.begin(), counts.end() - 1, places.begin() + 1);
  return places;
}

TEST(MpiExchange, EqualsAlltoallv) {
  OnDevice device;
  const auto world = rank_session().world();
  const int me = world->rank().value;
  for (int round = 0; round < 20; ++round) {
    const ArenaScope scope(device.scratch);
    Ints sent_counts;
    Ints received_counts;
    for (int peer = 0; peer < world->size(); ++peer) {
      sent_counts.push_back(count_of(round, me, peer));
      received_counts.push_back(count_of(round, peer, me));
    }
    const Ints sent_places = displacements(sent_counts);
    const Ints received_places = displacements(received_counts);
    Ints sent(static_cast<std::size_t>(sent_places.back() + sent_counts.back()));
    std::iota(sent.begin(), sent.end(), 1'000'000 * me + 10'000 * round);
    Ints expected(static_cast<std::size_t>(received_places.back() + received_counts.back()));
    ASSERT_EQ(
        MPI_Alltoallv(sent.data(), sent_counts.data(), sent_places.data(), MPI_INT, expected.data(),
                      received_counts.data(), received_places.data(), MPI_INT, MPI_COMM_WORLD),
        MPI_SUCCESS);
    const View<int> source = device.scratch.push<int>(std::ssize(sent));
    const View<int> target = device.scratch.push<int>(std::ssize(expected));
    upload(std::span<const int>(sent), source, device.stream);
    std::vector<SendMessage> sends;
    std::vector<ReceiveMessage> receives;
    for (int peer = 0; peer < world->size(); ++peer) {
      const auto i = static_cast<std::size_t>(peer);
      sends.push_back(
          {Rank(peer), bytes_of(source.part(sent_places[i], sent_places[i] + sent_counts[i]))});
      receives.push_back(
          {Rank(peer),
           bytes_of(target.part(received_places[i], received_places[i] + received_counts[i]))});
    }

    world->exchange(sends, receives, device.stream);

    EXPECT_EQ(device.download(target), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace softmoe::test
