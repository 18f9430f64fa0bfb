// What ranks that are threads do when one of them fails.

#include "parallel/local/local_world.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "parallel/bytes.h"
#include "tests/support/local_world.h"
#include "tests/support/patience.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using parallel::bytes_of;
using parallel::Communicator;
using parallel::ReceiveMessage;
using parallel::SendMessage;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

/// Gathers one byte of every rank, and waits for it.
void gather(Communicator& communicator, OnDevice& device) {
  const View<std::byte> all = device.saved.push<std::byte>(communicator.size());
  communicator.all_gather(device.upload(std::vector<std::byte>{std::byte{1}}), all, device.stream);
  device.stream.synchronize();
}

/// What `action` throws as CommError; empty if nothing.
template <class Action>
std::string comm_error_of(Action action) {
  try {
    action();
  } catch (const CommError& error) {
    return error.what();
  }
  return "";
}

TEST(LocalWorld, ARankThatNeverComesIsNamedWithTheOperationAndTheLimit) {
  const auto limit = patience(200ms);
  const std::string limit_text = std::to_string(limit.count()) + " ms";

  run_ranks(3, {.timeout = limit}, [&](Communicator& communicator, OnDevice& device) {
    if (communicator.rank() == Rank(2)) return;
    const auto start = std::chrono::steady_clock::now();

    const std::string message = comm_error_of([&] { gather(communicator, device); });

    EXPECT_THAT(message,
                AllOf(HasSubstr("all_gather"), HasSubstr("rank 2"), HasSubstr(limit_text)));
    EXPECT_LT(std::chrono::steady_clock::now() - start, limit + patience(1s));
  });
}

TEST(LocalWorld, ARankThatThrowsWakesAllOthersAndIsNamed) {
  std::atomic<int> num_woken = 0;

  const auto run = [&] {
    run_ranks(4, [&](Communicator& communicator, OnDevice& device) {
      if (communicator.rank() == Rank(1)) throw std::logic_error("out of ideas");
      const std::string message = comm_error_of([&] { gather(communicator, device); });
      EXPECT_THAT(message, AllOf(HasSubstr("all_gather"), HasSubstr("rank 1 gave up")));
      ++num_woken;
    });
  };

  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(run(), std::logic_error);
  EXPECT_EQ(num_woken, 3);
  EXPECT_LT(std::chrono::steady_clock::now() - start, patience(10s)) << "nobody waits in full";
}

TEST(LocalWorld, AnAbortReachesRanksOfOtherGroups) {
  std::atomic<int> num_split = 0;
  run_ranks(4, [&](Communicator& communicator, OnDevice& device) {
    const int me = communicator.rank().value;
    const auto half = communicator.split(me % 2, me);
    ++num_split;
    // Ranks 1 and 3 are in the other half. Rank 2 never gathers, so rank 0 hangs until it is woken.
    if (me == 3) {
      while (num_split < 4) std::this_thread::yield();
      communicator.abort();
    }
    if (me != 0) return;

    const std::string message = comm_error_of([&] { gather(*half, device); });

    EXPECT_THAT(message, HasSubstr("rank 3 gave up"));
  });
}

TEST(LocalWorld, AFailedCommunicatorStaysUnusable) {
  run_ranks(2, [&](Communicator& communicator, OnDevice& device) {
    communicator.abort();

    EXPECT_THROW(gather(communicator, device), CommError);
    EXPECT_THROW(communicator.barrier(), CommError);
  });
}

TEST(LocalWorld, DifferentCallsAreReportedAsSuch) {
  run_ranks(2, [&](Communicator& communicator, OnDevice& device) {
    const View<std::byte> byte = device.upload(std::vector<std::byte>{std::byte{1}});
    const std::string message = comm_error_of([&] {
      if (communicator.rank() == Rank(0)) gather(communicator, device);
      communicator.broadcast(byte, Rank(1), device.stream);
      device.stream.synchronize();
    });

    // Who is first to look says what is wrong, the other one that the first gave up.
    EXPECT_THAT(message, HasSubstr("must make the same calls"));
  });
}

TEST(LocalWorld, MessagesOfOtherSizesAreReportedAsSuch) {
  run_ranks(2, [&](Communicator& communicator, OnDevice& device) {
    const View<std::byte> three = device.upload(std::vector<std::byte>(3));
    const View<std::byte> four = device.saved.push<std::byte>(4);
    const std::vector<SendMessage> sends{{Rank(1), three}};
    const std::vector<ReceiveMessage> receives{{Rank(0), four}};
    const bool is_sender = communicator.rank() == Rank(0);

    const std::string message = comm_error_of([&] {
      communicator.exchange(is_sender ? std::span(sends) : std::span<const SendMessage>(),
                            is_sender ? std::span<const ReceiveMessage>() : std::span(receives),
                            device.stream);
      device.stream.synchronize();
    });

    if (is_sender) return;
    EXPECT_THAT(message, HasSubstr("exchange: rank 1 expects 4 bytes from rank 0, which sent 3"));
  });
}

TEST(LocalWorld, MemoryOfAFailedOperationIsReadNoMore) {
  // Rank 2 gives up while rank 1 copies what rank 0 sends. Rank 0 then reuses its memory at once.
  constexpr std::int64_t kBytes = std::int64_t{64} << 20;
  std::atomic<int> num_ready = 0;
  run_ranks(3, [&](Communicator& communicator, OnDevice& device) {
    const int me = communicator.rank().value;
    DeviceBuffer memory(device.device, Bytes(me == 2 ? 0 : kBytes));
    const View<std::byte> data = memory.as<std::byte>();
    if (me == 0) std::fill_n(data.data(), kBytes, std::byte{1});
    ++num_ready;
    while (num_ready < 3) std::this_thread::yield();
    if (me == 2) {
      std::this_thread::sleep_for(3ms);
      communicator.abort();
      return;
    }
    const std::vector<SendMessage> sends{{Rank(1), data}};
    const std::vector<ReceiveMessage> receives{{Rank(0), data}};

    const std::string message = comm_error_of([&] {
      communicator.exchange(me == 0 ? std::span(sends) : std::span<const SendMessage>(),
                            me == 1 ? std::span(receives) : std::span<const ReceiveMessage>(),
                            device.stream);
      device.stream.synchronize();
    });
    if (me == 0) std::fill_n(data.data(), kBytes, std::byte{2});

    // What was copied, if it was in time, is what was sent.
    const auto num_wrong = std::count(data.data(), data.data() + kBytes, std::byte{2});
    if (me == 1) {
      EXPECT_EQ(num_wrong, 0);
    }
  });
}

TEST(LocalWorld, HasOnlyTheRanksItWasMadeWith) {
  const parallel::LocalWorld world(2);

  EXPECT_THROW(world.communicator(Rank(2)), InvalidArgument);
  EXPECT_THROW(world.communicator(Rank(-1)), InvalidArgument);
  EXPECT_THROW(parallel::LocalWorld(0), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::test
