#include "runtime/storage/atomic_file.h"

#include <gmock/gmock.h>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Fault = FaultyFileSystem::Fault;

class AtomicFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::string text() { return read_text(disk_, path_, 1'000); }
  [[nodiscard]] std::vector<std::string> names() { return disk_.list(directory_.path()); }

  TemporaryDirectory directory_;
  PosixFileSystem disk_;
  FaultyFileSystem files_{disk_};
  Path path_ = directory_ / "state";
};

TEST_F(AtomicFileTest, AppearsOnCommitOnly) {
  AtomicFile file(disk_, path_);
  file.append(bytes_of("new"));

  EXPECT_FALSE(disk_.exists(path_));
  file.commit();

  EXPECT_EQ(text(), "new");
  EXPECT_THAT(names(), ElementsAre("state"));
}

TEST_F(AtomicFileTest, LeavesNothingWithoutCommit) {
  {
    AtomicFile file(disk_, path_);
    file.append(bytes_of("new"));
  }

  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(AtomicFileTest, TakesANameOfItsOwnBesideARemnant) {
  disk_.create(directory_ / "state.tmp-0")->append(bytes_of("remnant"));

  write_file(disk_, path_, bytes_of("new"));

  EXPECT_EQ(text(), "new");
  EXPECT_THAT(names(), ElementsAre("state", "state.tmp-0"));
}

TEST_F(AtomicFileTest, LeavesTheOldContentAndNoRemnantWhicheverOperationFails) {
  write_file(files_, path_, bytes_of("old"));
  const int operations = files_.operations();
  ASSERT_EQ(operations, 6);  // create, append, sync, close, rename, sync_directory

  for (int failing = 0; failing < operations; ++failing) {
    files_.fail_at(failing, Fault::once);

    EXPECT_THROW(write_file(files_, path_, bytes_of("new")), StorageError) << failing;

    // Only the last operation comes after the name was given.
    EXPECT_EQ(text(), failing < operations - 1 ? "old" : "new") << failing;
    EXPECT_THAT(names(), ElementsAre("state")) << failing;
  }
}

TEST_F(AtomicFileTest, ShowsTheOldOrTheWholeNewContentWhereverTheProcessDies) {
  write_file(files_, path_, bytes_of("old"));
  const int operations = files_.operations();

  for (int last = 0; last < operations; ++last) {
    files_.fail_at(last, Fault::forever);

    EXPECT_THROW(write_file(files_, path_, bytes_of("new")), StorageError) << last;

    EXPECT_EQ(text(), last < operations - 1 ? "old" : "new") << last;
    for (const std::string& name : names()) {
      EXPECT_TRUE(name == "state" || is_temporary_name(name)) << name;
      if (is_temporary_name(name)) disk_.remove(directory_ / name);
    }
  }
}

TEST_F(AtomicFileTest, NamesTheCureWhereItCannotWrite) {
  EXPECT_THAT([&] { write_file(disk_, directory_ / "absent/state", bytes_of("new")); },
              FailsWith(StorageError::Kind::cannot_write, HasSubstr("create the folder first")));
}

TEST(TemporaryName, IsRecognisedByItsMarkAndNumber) {
  EXPECT_TRUE(is_temporary_name("state.tmp-0"));
  EXPECT_TRUE(is_temporary_name("a.tmp-b.tmp-12"));
  EXPECT_FALSE(is_temporary_name("state"));
  EXPECT_FALSE(is_temporary_name("state.tmp-"));
  EXPECT_FALSE(is_temporary_name("state.tmp-1x"));
}

}  // namespace
}  // namespace softmoe::storage
