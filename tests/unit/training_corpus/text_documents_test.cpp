#include "training/corpus/text_documents.h"

#include <gmock/gmock.h>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_corpus/text_folder.h"

namespace softmoe::training {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<std::string> names_in(const TextFolder& folder) {
  storage::PosixFileSystem files;
  std::vector<std::string> names;
  for (const TextDocument& document : find_text_documents(files, folder.path()))
    names.push_back(document.name);
  return names;
}

std::string text_of(const storage::Path& path) {
  storage::PosixFileSystem files;
  return read_text_document(files, path);
}

TEST(TextDocuments, AreFoundInAllFoldersAndOrderedByName) {
  const TextFolder folder;
  for (const char* name :
       {"b.txt", "a/z.rst", "a.md", "a/deep/er.txt", "code.cpp", "a/gz", "txt"}) {
    folder.write(name, "text");
  }
  folder.write_packed("a/b.rst.gz", "text");

  EXPECT_THAT(names_in(folder),
              ElementsAre("a.md", "a/b.rst", "a/deep/er.txt", "a/z.rst", "b.txt"));
}

TEST(TextDocuments, AreNotFoundThroughLinksToFolders) {
  const TextFolder folder;
  folder.write("real/a.txt", "text");
  std::filesystem::create_directory_symlink(folder.path(), folder / "again");

  EXPECT_THAT(names_in(folder), ElementsAre("real/a.txt"));
}

TEST(TextDocuments, AreReadAsTheyAreAndUnpackedIfPacked) {
  const TextFolder folder;
  const std::string text("h\xc3\xa9llo\r\n\0\tw\n", 12);
  const std::string long_text = [&] {
    std::string repeated;
    for (int i = 0; i < 20'000; ++i) repeated += text;
    return repeated;
  }();

  EXPECT_EQ(text_of(folder.write("plain.txt", text)), text);
  EXPECT_EQ(text_of(folder.write_packed("packed.txt.gz", long_text)), long_text);
  EXPECT_EQ(text_of(folder.write("empty.txt.gz", "")), "");
}

TEST(TextDocuments, MayBePackedInSeveralMembers) {
  const TextFolder folder;
  const std::string first = content_of(folder.write_packed("1.txt.gz", "one "));
  const std::string second = content_of(folder.write_packed("2.txt.gz", "two"));

  EXPECT_EQ(text_of(folder.write("both.txt.gz", first + second)), "one two");
}

TEST(TextDocuments, ThatAreCutShortAreRefused) {
  const TextFolder folder;
  const std::string whole =
      content_of(folder.write_packed("whole.txt.gz", "a text that is long enough"));
  const auto cut = folder.write("cut.txt.gz", whole.substr(0, whole.size() - 9));
  const auto other = folder.write("other.txt.gz", "not packed at all");

  EXPECT_THAT(
      [&] { (void)text_of(cut); },
      ThrowsMessage<StorageError>(AllOf(HasSubstr("cut.txt.gz"), HasSubstr("ends too early"))));
  EXPECT_THAT([&] { (void)text_of(other); },
              ThrowsMessage<StorageError>(HasSubstr("is not a gzip file")));
}

TEST(TextDocuments, ThatAreNotUtf8AreRefusedWithThePlace) {
  const TextFolder folder;
  const auto latin1 = folder.write("latin1.txt", "caf\xe9 au lait");

  EXPECT_THAT([&] { (void)text_of(latin1); },
              ThrowsMessage<StorageError>(
                  AllOf(HasSubstr("latin1.txt"), HasSubstr("at byte 3"), HasSubstr("iconv"))));
}

TEST(TextDocuments, InAMissingFolderAreAnError) {
  storage::PosixFileSystem files;

  EXPECT_THAT([&] { (void)find_text_documents(files, "/no/such/folder"); },
              FailsWith(StorageError::Kind::missing, _));
}

}  // namespace
}  // namespace softmoe::training
