// Bytes arrive where they should: all_gather, broadcast, exchange.

#include <gmock/gmock.h>

#include <numeric>

#include "parallel/bytes.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {

namespace {

using parallel::bytes_of;
using parallel::Communicator;
using parallel::ReceiveMessage;
using parallel::SendMessage;
using testing::ElementsAreArray;

using Ints = std::vector<std::int32_t>;

/// `count` numbers that say who sent them to whom.
Ints letter(int from, int to, int count) {
  Ints numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), from * 1'000'000 + to * 10'000);
  return numbers;
}

/// Exchanges messages of `count(from, to)` numbers between all pairs and checks what arrives.
template <class Count>
void expect_exchange(Communicator& communicator, OnDevice& device, Count count) {
  const int me = communicator.rank().value;
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  std::vector<View<std::int32_t>> arrived;
  for (int peer = 0; peer < communicator.size(); ++peer) {
    sends.push_back({Rank(peer), bytes_of(device.upload(letter(me, peer, count(me, peer))))});
    arrived.push_back(device.saved.push<std::int32_t>(count(peer, me)));
    receives.push_back({Rank(peer), bytes_of(arrived.back())});
  }

  communicator.exchange(sends, receives, device.stream);

  for (int peer = 0; peer < communicator.size(); ++peer) {
    EXPECT_EQ(device.download(arrived[static_cast<std::size_t>(peer)]),
              letter(peer, me, count(peer, me)))
        << "from rank " << peer;
  }
}

void all_gather_puts_every_rank_in_its_place(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  const View<std::int32_t> all = device.saved.push<std::int32_t>(2 * communicator.size());
  Ints expected;
  for (int r = 0; r < communicator.size(); ++r)
    expected.insert(expected.end(), {10 * r, 10 * r + 1});

  communicator.all_gather(bytes_of(device.upload(Ints{10 * me, 10 * me + 1})), bytes_of(all),
                          device.stream);

  EXPECT_THAT(device.download(all), ElementsAreArray(expected));
}

void all_gather_works_in_place(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  Ints numbers(static_cast<std::size_t>(communicator.size()), -1);
  numbers[static_cast<std::size_t>(me)] = me * me;
  const View<std::int32_t> all = device.upload(numbers);
  Ints expected;
  for (int r = 0; r < communicator.size(); ++r) expected.push_back(r * r);

  communicator.all_gather(bytes_of(all.part(me, me + 1)), bytes_of(all), device.stream);

  EXPECT_THAT(device.download(all), ElementsAreArray(expected));
}

void all_gather_of_nothing_passes(Communicator& communicator, OnDevice& device) {
  communicator.all_gather({}, {}, device.stream);

  EXPECT_NO_THROW(device.stream.synchronize());
}

void broadcast_reaches_every_rank_from_every_root(Communicator& communicator, OnDevice& device) {
  for (Rank root{0}; root.value < communicator.size(); ++root.value) {
    const bool is_root = communicator.rank() == root;
    const View<std::int32_t> data =
        device.upload(is_root ? letter(root.value, 7, 1000) : Ints(1000, -1));

    communicator.broadcast(bytes_of(data), root, device.stream);

    EXPECT_EQ(device.download(data), letter(root.value, 7, 1000)) << "root " << root.value;
  }
}

void exchange_carries_messages_of_any_size(Communicator& communicator, OnDevice& device) {
  // Zero in some pairs and in one direction of others, also to oneself.
  expect_exchange(communicator, device, [](int from, int to) { return (from + 2 * to + 2) % 4; });
}

void exchange_carries_large_messages(Communicator& communicator, OnDevice& device) {
  // Too large to be buffered on the way, of odd sizes, both ways at once.
  expect_exchange(communicator, device,
                  [](int from, int to) { return 100'000 + 1'001 * from + 17 * to; });
}

void exchange_from_one_rank_to_one_rank(Communicator& communicator, OnDevice& device) {
  const int last = communicator.size() - 1;
  expect_exchange(communicator, device,
                  [last](int from, int to) { return from == 0 && to == last ? 5 : 0; });
}

/// Five messages between each pair; message i has (i + 1) * `unit` numbers, so none fits another's
/// place. Peers are interleaved, the receiver lists them in another order than the sender, and
/// later messages land at lower addresses.
void expect_order_of_messages(Communicator& communicator, OnDevice& device, int unit) {
  const int me = communicator.rank().value;
  constexpr int kMessages = 5;
  constexpr int kUnits = kMessages * (kMessages + 1) / 2;  // of all messages between a pair
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  std::vector<View<std::int32_t>> arrived;
  std::vector<Ints> expected;
  std::int64_t free = std::int64_t{kUnits} * communicator.size() * unit;
  const View<std::int32_t> places = device.saved.push<std::int32_t>(free);
  for (int i = 0; i < kMessages; ++i) {
    const int numbers = (i + 1) * unit;
    for (int peer = 0; peer < communicator.size(); ++peer)
      sends.push_back({Rank(peer), bytes_of(device.upload(letter(me, i, numbers)))});
    for (int peer = communicator.size() - 1; peer >= 0; --peer) {
      arrived.push_back(places.part(free - numbers, free));
      free -= numbers;
      receives.push_back({Rank(peer), bytes_of(arrived.back())});
      expected.push_back(letter(peer, i, numbers));
    }
  }

  communicator.exchange(sends, receives, device.stream);

  for (std::size_t i = 0; i < arrived.size(); ++i)
    EXPECT_EQ(device.download(arrived[i]), expected[i]) << "receive " << i;
}

void exchange_keeps_the_order_of_messages_between_a_pair(Communicator& communicator,
                                                         OnDevice& device) {
  expect_order_of_messages(communicator, device, /*unit=*/1);
}

void exchange_keeps_the_order_of_large_messages(Communicator& communicator, OnDevice& device) {
  // A pair's messages together are cut within some of them where a transport cuts at all.
  expect_order_of_messages(communicator, device, /*unit=*/9'001);
}

void exchange_reads_its_lists_before_it_returns(Communicator& communicator, OnDevice& device) {
  const int size = communicator.size();
  const Rank next((communicator.rank().value + 1) % size);
  const Rank before((communicator.rank().value + size - 1) % size);
  const View<std::int32_t> arrived = device.saved.push<std::int32_t>(3);
  std::vector<SendMessage> sends{
      {next, bytes_of(device.upload(letter(communicator.rank().value, next.value, 3)))}};
  std::vector<ReceiveMessage> receives{{before, bytes_of(arrived)}};

  communicator.exchange(sends, receives, device.stream);
  sends[0] = {Rank(-1), {}};
  receives[0] = {Rank(-1), {}};

  EXPECT_EQ(device.download(arrived), letter(before.value, communicator.rank().value, 3));
}

void nonsense_is_refused_before_anything_starts(Communicator& communicator, OnDevice& device) {
  const View<std::byte> three = device.saved.push<std::byte>(3);
  const View<std::byte> four = device.saved.push<std::byte>(4);
  const Rank me = communicator.rank();
  const Rank nobody(communicator.size());
  const std::vector<SendMessage> to_nobody{{nobody, three}};
  const std::vector<SendMessage> to_myself{{me, three}};
  const std::vector<ReceiveMessage> from_myself{{me, four}};

  EXPECT_THROW(communicator.all_gather(three, three.part(0, 2), device.stream), InvalidArgument);
  EXPECT_THROW(communicator.broadcast(three, nobody, device.stream), InvalidArgument);
  EXPECT_THROW(communicator.exchange(to_nobody, {}, device.stream), InvalidArgument);
  EXPECT_THROW(communicator.exchange(to_myself, {}, device.stream), InvalidArgument);
  EXPECT_THROW(communicator.exchange({}, from_myself, device.stream), InvalidArgument);
  EXPECT_THROW(communicator.exchange(to_myself, from_myself, device.stream), InvalidArgument);
  all_gather_works_in_place(communicator, device);
}

}  // namespace

std::vector<ContractCase> transfer_cases() {
  return {
      {"AllGatherPutsEveryRankInItsPlace", all_gather_puts_every_rank_in_its_place},
      {"AllGatherWorksInPlace", all_gather_works_in_place},
      {"AllGatherOfNothingPasses", all_gather_of_nothing_passes},
      {"BroadcastReachesEveryRankFromEveryRoot", broadcast_reaches_every_rank_from_every_root},
      {"ExchangeCarriesMessagesOfAnySize", exchange_carries_messages_of_any_size},
      {"ExchangeCarriesLargeMessages", exchange_carries_large_messages},
      {"ExchangeFromOneRankToOneRank", exchange_from_one_rank_to_one_rank},
      {"ExchangeKeepsTheOrderOfMessagesBetweenAPair",
       exchange_keeps_the_order_of_messages_between_a_pair},
      {"ExchangeKeepsTheOrderOfLargeMessages", exchange_keeps_the_order_of_large_messages},
      {"ExchangeReadsItsListsBeforeItReturns", exchange_reads_its_lists_before_it_returns},
      {"NonsenseIsRefusedBeforeAnythingStarts", nonsense_is_refused_before_anything_starts},
  };
}

}  // namespace softmoe::test
