// What ranks over NCCL do when one of them fails.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "runtime/device/cuda_device.h"
#include "tests/support/nccl_world.h"
#include "tests/support/patience.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using parallel::Communicator;
using parallel::NcclOptions;
using parallel::NcclPlace;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// An id that everybody has already.
class KnownId final : public parallel::IdExchange {
 public:
  void share(std::span<std::byte>, Rank) override {}
  void finish(Rank) override {}
};

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

/// Runs ranks whose world fails, of which they look at the consequences themselves. What is left on
/// their streams then fails too.
void run_failing_ranks(int num_ranks, const NcclOptions& options, const RankFunction& function) {
  EXPECT_THROW(run_nccl_ranks(num_ranks, options, function), CommError);
}

NcclOptions with_timeout(std::chrono::milliseconds timeout) {
  return {.comm = {.timeout = timeout}};
}

const NcclOptions kPatient = with_timeout(patience(20s));

TEST(NcclWorld, ARankThatNeverComesIsAmongThePeersThatAreNamed) {
  const auto limit = patience(300ms);
  const std::string limit_text = std::to_string(limit.count()) + " ms";
  std::atomic<int> num_told = 0;

  run_failing_ranks(3, with_timeout(limit), [&](Communicator& communicator, OnDevice& device) {
    if (communicator.rank() == Rank(2)) {
      while (num_told < 2) std::this_thread::yield();
      return;
    }
    const auto start = std::chrono::steady_clock::now();

    const std::string message = comm_error_of([&] { gather(communicator, device); });
    ++num_told;

    // The first to lose patience says so; the other hears that it gave up.
    EXPECT_THAT(message, AllOf(HasSubstr("all_gather"), HasSubstr("rank ")));
    if (message.find("has aborted") == std::string::npos) {
      EXPECT_THAT(message, AllOf(HasSubstr(", 2 longer than the limit of " + limit_text),
                                 HasSubstr("NCCL does not say who is")));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, limit + patience(2s));
  });
}

TEST(NcclWorld, AnAbortWakesTheOthers) {
  std::atomic<int> num_joined = 0;
  std::atomic<int> num_woken = 0;
  const auto start = std::chrono::steady_clock::now();

  run_failing_ranks(3, kPatient, [&](Communicator& communicator, OnDevice& device) {
    ++num_joined;
    if (communicator.rank() == Rank(1)) {
      while (num_joined < 3) std::this_thread::yield();
      communicator.abort();
      while (num_woken < 2) std::this_thread::yield();
      return;
    }
    const std::string message = comm_error_of([&] { gather(communicator, device); });
    ++num_woken;
    EXPECT_THAT(message, HasSubstr("has aborted"));
  });

  EXPECT_LT(std::chrono::steady_clock::now() - start, patience(10s)) << "nobody waits in full";
}

TEST(NcclWorld, AnAbortByAnotherThreadWakesTheRankItself) {
  run_failing_ranks(2, kPatient, [&](Communicator& communicator, OnDevice& device) {
    if (communicator.rank() == Rank(1)) return;
    std::thread other([&] {
      std::this_thread::sleep_for(30ms);
      communicator.abort();
    });

    const std::string message = comm_error_of([&] { gather(communicator, device); });
    other.join();

    EXPECT_THAT(message, HasSubstr("rank 0 gave up"));
  });
}

TEST(NcclWorld, ARankThatThrowsWakesTheOthers) {
  const auto run = [] {
    run_nccl_ranks(4, [](Communicator& communicator, OnDevice& device) {
      const auto half = communicator.split(communicator.rank().value % 2, 0);
      if (communicator.rank() == Rank(1)) throw std::logic_error("out of ideas");
      EXPECT_NE(comm_error_of([&] {
                  gather(*half, device);
                  gather(communicator, device);
                }),
                "");
    });
  };

  EXPECT_THROW(run(), std::logic_error);
}

TEST(NcclWorld, AFailedCommunicatorStaysUnusable) {
  run_failing_ranks(1, kPatient, [](Communicator& communicator, OnDevice& device) {
    communicator.abort();

    EXPECT_THROW(gather(communicator, device), CommError);
    EXPECT_THROW(communicator.barrier(), CommError);
    EXPECT_THROW(static_cast<void>(communicator.split(0, 0)), CommError);
  });
}

TEST(NcclWorld, EndsInPeaceWithWorkThatNobodyHasWaitedFor) {
  run_nccl_ranks(3, [](Communicator& communicator, OnDevice& device) {
    const auto all = communicator.split(0, 0);
    const View<std::byte> bytes = device.saved.push<std::byte>(3);
    all->all_gather(device.upload(std::vector<std::byte>{std::byte{1}}), bytes, device.stream);
  });
}

TEST(NcclWorld, ThatDoesNotComeTogetherNamesWhoIsMissing) {
  const auto device = make_cuda_device(LocalRank(0));
  KnownId ids;

  const NcclPlace place{.rank = Rank(0), .size = 2, .device = *device, .ids = ids};

  EXPECT_THAT(
      [&] { static_cast<void>(make_nccl_world(place, with_timeout(patience(100ms)))); },
      ThrowsMessage<CommError>(HasSubstr("make_nccl_world: rank 0 has waited for rank 1 longer")));
}

TEST(NcclWorld, RefusesLimitsThatNcclWouldNotTake) {
  const auto device = make_cuda_device(LocalRank(0));
  KnownId ids;
  const NcclPlace place{.rank = Rank(0), .size = 1, .device = *device, .ids = ids};

  EXPECT_THAT([&] { static_cast<void>(make_nccl_world(place, {.group_max_ctas = 65})); },
              ThrowsMessage<InvalidArgument>(HasSubstr("group_max_ctas is 65")));
  EXPECT_THROW(static_cast<void>(make_nccl_world(place, {.world_max_ctas = -1})), InvalidArgument);
}

TEST(NcclWorld, WantsStreamsOfItsOwnDevice) {
  run_nccl_ranks(1, [](Communicator& communicator, OnDevice& device) {
    OnDevice host;

    EXPECT_THROW(gather(communicator, host), InvalidArgument);
    gather(communicator, device);
  });
}

}  // namespace
}  // namespace softmoe::test
