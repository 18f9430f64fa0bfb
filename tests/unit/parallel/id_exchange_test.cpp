#include "parallel/id_exchange.h"

#include <gmock/gmock.h>

#include <array>
#include <thread>

#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/local_world.h"
#include "tests/support/patience.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using parallel::exchange_id_by_file;
using parallel::IdFile;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

using Id = std::array<std::byte, 128>;

Id id_of(int first) {
  Id id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(3 * i + first);
  return id;
}

class IdExchange : public testing::Test {
 protected:
  [[nodiscard]] IdFile file(const std::string& run, std::chrono::milliseconds timeout = 20s) const {
    return {.path = directory_.path() / "world.id", .run = run, .timeout = patience(timeout)};
  }
  void share(const IdFile& place, std::span<std::byte> id, Rank rank) {
    exchange_id_by_file(files_, place)->share(id, rank);
  }

  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
};

TEST_F(IdExchange, ByACommunicatorBringsTheIdOfRankZeroToAll) {
  run_ranks(3, [](parallel::Communicator& communicator, OnDevice&) {
    Id id = id_of(communicator.rank().value);
    const auto ids = parallel::exchange_id_over(communicator);

    ids->share(id, communicator.rank());
    ids->finish(communicator.rank());

    EXPECT_EQ(id, id_of(0));
  });
}

TEST_F(IdExchange, ByAFileBringsTheIdOfRankZeroToAllAndLeavesNoFile) {
  run_ranks(3, [&](parallel::Communicator& communicator, OnDevice&) {
    const Rank me = communicator.rank();
    const auto ids = exchange_id_by_file(files_, file("job 7"));
    Id id = id_of(me.value);
    if (me == Rank(0)) std::this_thread::sleep_for(60ms);

    ids->share(id, me);
    communicator.barrier();
    ids->finish(me);
    communicator.barrier();

    EXPECT_EQ(id, id_of(0));
    EXPECT_FALSE(files_.exists(file("job 7").path));
  });
}

TEST_F(IdExchange, AFileOfAnotherRunIsNotTakenButWrittenOver) {
  Id old = id_of(1);
  share(file("job 7"), old, Rank(0));
  Id found{};
  std::thread late([&] {
    std::this_thread::sleep_for(60ms);
    Id id = id_of(2);
    share(file("job 8"), id, Rank(0));
  });

  share(file("job 8"), found, Rank(1));
  late.join();

  EXPECT_EQ(found, id_of(2));
}

TEST_F(IdExchange, ARankThatFindsOnlyAnotherRunNamesBothAndTheCure) {
  Id id = id_of(1);
  share(file("job 7"), id, Rank(0));

  EXPECT_THAT([&] { share(file("job 8", 100ms), id, Rank(2)); },
              ThrowsMessage<CommError>(AllOf(
                  HasSubstr("world.id' is of run 'job 7', not of 'job 8'"),
                  HasSubstr("rank 2 has waited for rank 0"), HasSubstr("see the same directory"))));
}

TEST_F(IdExchange, ARankThatFindsNoFileSaysSoInTime) {
  Id id{};

  EXPECT_THAT([&] { share(file("job 8", 100ms), id, Rank(1)); },
              ThrowsMessage<CommError>(AllOf(HasSubstr("no '"), HasSubstr("world.id' has appeared"),
                                             HasSubstr("limit of"))));
}

TEST_F(IdExchange, AFileThatIsNoneOfOursIsLikeNone) {
  storage::write_file(files_, file("job 8").path, storage::bytes_of("something else\njob 8\n00\n"));
  Id id{};

  EXPECT_THAT([&] { share(file("job 8", 100ms), id, Rank(1)); },
              ThrowsMessage<CommError>(HasSubstr("has appeared")));
}

TEST_F(IdExchange, ASecondStartOfTheSameRunIsRefusedByRankZero) {
  Id id = id_of(1);
  share(file("job 7"), id, Rank(0));

  EXPECT_THAT([&] { share(file("job 7"), id, Rank(0)); },
              ThrowsMessage<CommError>(
                  AllOf(HasSubstr("earlier start of run 'job 7'"), HasSubstr("remove the file"))));
}

TEST_F(IdExchange, ADirectoryThatIsNotThereIsAnErrorOfTheFile) {
  Id id{};
  IdFile place = file("job 7");
  place.path = directory_.path() / "nowhere" / "world.id";

  EXPECT_THROW(share(place, id, Rank(0)), StorageError);
}

TEST_F(IdExchange, ARunNeedsAName) {
  EXPECT_THROW(static_cast<void>(exchange_id_by_file(files_, file(""))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(exchange_id_by_file(files_, file("a\nb"))), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::test
