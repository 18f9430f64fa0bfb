#include "training/agree_on_storage.h"

#include <gmock/gmock.h>

#include "tests/support/local_world.h"
#include "tests/support/storage_error_matcher.h"

namespace softmoe::training {
namespace {

using test::OnDevice;
using testing::HasSubstr;
using Kind = StorageError::Kind;

TEST(AgreeOnStorage, GoesOnIfAllIsWellEverywhere) {
  test::run_ranks(3, [](parallel::Communicator& world, OnDevice& on) {
    EXPECT_NO_THROW(agree_on_storage(std::nullopt, world, on.exchange));
  });
}

TEST(AgreeOnStorage, ThrowsTheErrorOfTheLowestRankOnAllRanks) {
  test::run_ranks(4, [](parallel::Communicator& world, OnDevice& on) {
    std::optional<StorageError> mine;
    if (world.rank() == Rank(2)) mine.emplace(Kind::missing, "no shard 2");
    if (world.rank() == Rank(3)) mine.emplace(Kind::io, "a longer message of rank 3");

    EXPECT_THAT([&] { agree_on_storage(mine, world, on.exchange); },
                FailsWith(Kind::missing, testing::StrEq("rank 2: no shard 2")));
  });
}

TEST(AgreeOnStorage, LeavesTheErrorOfARunOnOneRankAsItIs) {
  test::run_ranks(1, [](parallel::Communicator& world, OnDevice& on) {
    EXPECT_THAT([&] { agree_on_storage(StorageError(Kind::io, "disk"), world, on.exchange); },
                FailsWith(Kind::io, testing::StrEq("disk")));
  });
}

TEST(AgreeOnStorage, AttemptCatchesStorageErrorsOnly) {
  const auto caught = attempt([] { throw StorageError(Kind::cannot_write, "full"); });

  ASSERT_TRUE(caught.has_value());
  EXPECT_EQ(caught->kind(), Kind::cannot_write);
  EXPECT_THAT(caught->what(), HasSubstr("full"));
  EXPECT_FALSE(attempt([] {}).has_value());
  EXPECT_THROW((void)attempt([] { throw InternalError("bug"); }), InternalError);
}

}  // namespace
}  // namespace softmoe::training
