#include "runtime/storage/posix_file_system.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <array>

#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::storage {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = StorageError::Kind;

class PosixFileSystemTest : public testing::Test {
 protected:
  void put(const Path& path, std::string_view text) {
    const auto file = files_.create(path);
    file->append(bytes_of(text));
    file->close();
  }

  [[nodiscard]] std::string text_at(const Path& path) { return read_text(files_, path, 1'000); }

  TemporaryDirectory directory_;
  PosixFileSystem files_;
};

TEST_F(PosixFileSystemTest, ReadsBackWhatItAppended) {
  const auto file = files_.create(directory_ / "a");

  file->append(bytes_of("hello, "));
  file->append(bytes_of("world"));
  file->sync();

  EXPECT_EQ(file->size(), 12);
  file->close();
  EXPECT_EQ(text_at(directory_ / "a"), "hello, world");
  EXPECT_EQ(files_.size(directory_ / "a"), 12);
}

TEST_F(PosixFileSystemTest, WritesOverAPlaceAndFillsAGapWithZeros) {
  const auto file = files_.create(directory_ / "a");
  file->append(bytes_of("abcd"));

  file->write_at(1, bytes_of("X"));
  file->write_at(6, bytes_of("Z"));
  file->append(bytes_of("!"));

  EXPECT_EQ(text_at(directory_ / "a"), std::string("aXcd\0\0Z!", 8));
}

TEST_F(PosixFileSystemTest, AppendsBehindWhatAFileHolds) {
  put(directory_ / "journal", "one ");

  files_.open_to_append(directory_ / "journal")->append(bytes_of("two"));
  files_.open_to_append(directory_ / "new")->append(bytes_of("first"));

  EXPECT_EQ(text_at(directory_ / "journal"), "one two");
  EXPECT_EQ(text_at(directory_ / "new"), "first");
}

TEST_F(PosixFileSystemTest, CreatesAFileForOneCallerOnly) {
  const auto first = files_.create(directory_ / "lock");

  const auto second = files_.create(directory_ / "lock");

  EXPECT_NE(first, nullptr);
  EXPECT_EQ(second, nullptr);
}

TEST_F(PosixFileSystemTest, ReadsAtAnyPlace) {
  put(directory_ / "a", "0123456789");
  std::array<std::byte, 3> out{};

  files_.open(directory_ / "a")->read_at(4, out);

  EXPECT_EQ(std::to_integer<char>(out[0]), '4');
  EXPECT_EQ(std::to_integer<char>(out[2]), '6');
}

TEST_F(PosixFileSystemTest, RefusesToReadBehindTheEnd) {
  put(directory_ / "a", "0123456789");
  std::array<std::byte, 4> out{};

  EXPECT_THAT([&] { files_.open(directory_ / "a")->read_at(8, out); },
              FailsWith(Kind::bad_format, HasSubstr("ends at byte 10, 2 bytes too early")));
}

TEST_F(PosixFileSystemTest, MapsAFileAndAnEmptyOne) {
  put(directory_ / "a", "abc");
  put(directory_ / "empty", "");

  const auto mapping = files_.map(directory_ / "a");
  const auto nothing = files_.map(directory_ / "empty");
  files_.remove(directory_ / "a");

  EXPECT_EQ(std::to_integer<char>(mapping->bytes()[2]), 'c');
  EXPECT_EQ(mapping->bytes().size(), 3U);
  EXPECT_TRUE(nothing->bytes().empty());
}

TEST_F(PosixFileSystemTest, ListsNamesInOrder) {
  for (const char* name : {"b", "a", "c10", "c9"}) put(directory_ / name, "");

  EXPECT_THAT(files_.list(directory_.path()), ElementsAre("a", "b", "c10", "c9"));
}

TEST_F(PosixFileSystemTest, MakesDirectoriesAndRemovesTrees) {
  files_.make_directories(directory_ / "x/y/z");
  files_.make_directories(directory_ / "x/y/z");
  put(directory_ / "x/y/file", "1");
  files_.sync_directory(directory_ / "x/y");

  EXPECT_TRUE(files_.is_directory(directory_ / "x/y/z"));
  remove_tree(files_, directory_ / "x");
  remove_tree(files_, directory_ / "x");
  EXPECT_FALSE(files_.exists(directory_ / "x"));
}

TEST_F(PosixFileSystemTest, RemovesALinkAndNotWhatItPointsTo) {
  files_.make_directories(directory_ / "kept");
  put(directory_ / "kept/file", "1");
  files_.make_directories(directory_ / "tree");
  std::filesystem::create_directory_symlink(directory_ / "kept", directory_ / "tree/link");

  remove_tree(files_, directory_ / "tree");

  EXPECT_FALSE(files_.exists(directory_ / "tree"));
  EXPECT_TRUE(files_.exists(directory_ / "kept/file"));
}

TEST_F(PosixFileSystemTest, RenamesOverAnOlderFile) {
  put(directory_ / "old", "old");
  put(directory_ / "new", "new");

  files_.rename(directory_ / "new", directory_ / "old");

  EXPECT_EQ(text_at(directory_ / "old"), "new");
  EXPECT_FALSE(files_.exists(directory_ / "new"));
}

TEST_F(PosixFileSystemTest, NamesAMissingInput) {
  const Path path = directory_ / "absent";
  const auto message = AllOf(HasSubstr(path.string()), HasSubstr("No such file or directory"));

  EXPECT_THAT([&] { (void)files_.open(path); }, FailsWith(Kind::missing, message));
  EXPECT_THAT([&] { (void)files_.map(path); }, FailsWith(Kind::missing, message));
  EXPECT_THAT([&] { (void)files_.size(path); }, FailsWith(Kind::missing, message));
  EXPECT_THAT([&] { (void)files_.list(path); }, FailsWith(Kind::missing, message));
}

TEST_F(PosixFileSystemTest, NamesTheCureWhereItCannotWrite) {
  const Path path = directory_ / "absent/file";

  EXPECT_THAT([&] { (void)files_.create(path); },
              FailsWith(Kind::cannot_write, HasSubstr("create the folder first")));
  EXPECT_THAT([&] { (void)files_.open_to_append(path); },
              FailsWith(Kind::cannot_write, HasSubstr("create the folder first")));
}

TEST_F(PosixFileSystemTest, NamesTheCureForAFullDisk) {
  const auto full = files_.open_to_append("/dev/full");

  EXPECT_THAT([&] { full->append(bytes_of("x")); },
              FailsWith(Kind::cannot_write, AllOf(HasSubstr("'/dev/full'"), HasSubstr("space"))));
}

TEST_F(PosixFileSystemTest, RefusesAPipeWithoutWaitingForItsWriter) {
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);

  EXPECT_THAT([&] { (void)files_.open(directory_ / "pipe"); },
              FailsWith(Kind::bad_format, HasSubstr("a pipe, socket or device")));
  EXPECT_THAT([&] { (void)files_.open(directory_.path()); },
              FailsWith(Kind::bad_format, HasSubstr("a directory")));
}

TEST_F(PosixFileSystemTest, ReadsNoMoreTextThanExpected) {
  put(directory_ / "a", "abc");

  EXPECT_THAT([&] { (void)read_text(files_, directory_ / "a", 2); },
              FailsWith(Kind::bad_format, HasSubstr("it has 3 bytes, and at most 2")));
}

}  // namespace
}  // namespace softmoe::storage
