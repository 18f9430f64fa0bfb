#include "runtime/device/workers.h"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>

#include "runtime/base/errors.h"

namespace softmoe {
namespace {

using testing::Each;
using testing::StrEq;
using testing::ThrowsMessage;

class WorkersOfSize : public testing::TestWithParam<int> {};

TEST_P(WorkersOfSize, RunEveryIndexOnce) {
  Workers workers(GetParam());
  std::vector<std::atomic<int>> calls(1000);

  workers.for_each(1000, [&](std::int64_t index, int /*worker*/) {
    calls[static_cast<std::size_t>(index)].fetch_add(1);
  });

  for (const auto& count : calls) EXPECT_EQ(count.load(), 1);
}

TEST_P(WorkersOfSize, RunEveryIndexOnceFromSharesToo) {
  Workers workers(GetParam());
  for (const std::int64_t count : {0, 1, 2, 3, 7, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));

    workers.for_each_near(count, [&](std::int64_t index, int /*worker*/) {
      calls.at(static_cast<std::size_t>(index)).fetch_add(1);
    });

    for (const auto& calls_of_one : calls) EXPECT_EQ(calls_of_one.load(), 1);
  }
}

TEST_P(WorkersOfSize, BeginWithTheirOwnShare) {
  const int size = GetParam();
  Workers workers(size);
  constexpr std::int64_t kPerWorker = 10;
  std::vector<std::atomic<std::int64_t>> first(static_cast<std::size_t>(size));
  for (auto& index : first) index = -1;
  std::atomic<int> arrived = 0;

  workers.for_each_near(kPerWorker * size, [&](std::int64_t index, int worker) {
    std::int64_t none = -1;
    if (!first.at(static_cast<std::size_t>(worker)).compare_exchange_strong(none, index)) return;
    arrived.fetch_add(1);
    while (arrived.load() < size) std::this_thread::yield();  // nobody helps before all have begun
  });

  for (int worker = 0; worker < size; ++worker) {
    EXPECT_EQ(first.at(static_cast<std::size_t>(worker)).load(), kPerWorker * worker);
  }
}

TEST_P(WorkersOfSize, HelpWhoIsNotThrough) {
  const int size = GetParam();
  Workers workers(size);
  constexpr std::int64_t kPerWorker = 50;
  std::atomic<std::int64_t> others_done = 0;

  // The first index waits until everything else is done, by others where there are any.
  workers.for_each_near(kPerWorker * size, [&](std::int64_t index, int /*worker*/) {
    if (index > 0) others_done.fetch_add(1);
    while (index == 0 && size > 1 && others_done.load() < kPerWorker * size - 1) {
      std::this_thread::yield();
    }
  });

  EXPECT_EQ(others_done.load(), kPerWorker * size - 1);
}

TEST_P(WorkersOfSize, AreNumberedBelowTheirSizeAndNeverShareANumber) {
  Workers workers(GetParam());
  std::vector<std::atomic<int>> inside(static_cast<std::size_t>(GetParam()));
  std::atomic<bool> was_shared = false;

  workers.for_each(2000, [&](std::int64_t /*index*/, int worker) {
    std::atomic<int>& mine = inside.at(static_cast<std::size_t>(worker));
    if (mine.fetch_add(1) != 0) was_shared = true;
    mine.fetch_sub(1);
  });

  EXPECT_FALSE(was_shared);
}

TEST_P(WorkersOfSize, RethrowAfterAllHaveEnded) {
  Workers workers(GetParam());
  std::atomic<int> running = 0;
  const auto fails_at_7 = [&](std::int64_t index, int /*worker*/) {
    running.fetch_add(1);
    if (index == 7) {
      running.fetch_sub(1);
      throw std::runtime_error("index 7");
    }
    running.fetch_sub(1);
  };

  EXPECT_THAT([&] { workers.for_each(100, fails_at_7); },
              ThrowsMessage<std::runtime_error>(StrEq("index 7")));
  EXPECT_EQ(running.load(), 0);
}

TEST_P(WorkersOfSize, WorkAgainAfterAFailure) {
  Workers workers(GetParam());
  EXPECT_THROW(workers.for_each(10, [](std::int64_t, int) { throw std::runtime_error("once"); }),
               std::runtime_error);
  std::atomic<int> calls = 0;

  workers.for_each(10, [&](std::int64_t, int) { calls.fetch_add(1); });

  EXPECT_EQ(calls.load(), 10);
}

TEST_P(WorkersOfSize, DoNothingForNoIndex) {
  Workers workers(GetParam());

  workers.for_each(0, [](std::int64_t, int) { FAIL() << "there is no index"; });
}

TEST_P(WorkersOfSize, KeepRoundsApart) {
  Workers workers(GetParam());
  std::vector<int> values(64, 0);

  for (int round = 0; round < 200; ++round) {
    workers.for_each(64, [&](std::int64_t i, int) { ++values[static_cast<std::size_t>(i)]; });
  }

  EXPECT_THAT(values, Each(200));
}

INSTANTIATE_TEST_SUITE_P(OneToFour, WorkersOfSize, testing::Range(1, 5));

TEST(Workers, AreAtLeastOne) {
  EXPECT_THROW(Workers(0), InvalidArgument);
}

TEST(Workers, RunASingleIndexOnTheCallingThread) {
  Workers workers(3);
  std::thread::id id;

  workers.for_each(1, [&](std::int64_t, int) { id = std::this_thread::get_id(); });

  EXPECT_EQ(id, std::this_thread::get_id());
}

}  // namespace
}  // namespace softmoe
