#include "training/report/text_lines.h"

#include <gmock/gmock.h>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_report/run_files.h"

namespace softmoe::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> lines_of(const RunFiles& folder) {
  storage::PosixFileSystem files;
  std::vector<std::string> lines;
  for_each_line(files, folder.path() / "file", [&](const TextLine& line) {
    EXPECT_EQ(line.number, static_cast<std::int64_t>(lines.size()) + 1);
    lines.push_back(std::string(line.text) + (line.is_ended ? "" : " torn"));
  });
  return lines;
}

TEST(TextLines, AreCutAtTheirEnds) {
  RunFiles folder;
  folder.add("file", "a\n\nbc\nd");

  EXPECT_THAT(lines_of(folder), ElementsAre("a", "", "bc", "d torn"));
}

TEST(TextLines, AreNoneInAnEmptyFile) {
  RunFiles folder;
  folder.add("file", "");

  EXPECT_THAT(lines_of(folder), IsEmpty());
}

TEST(TextLines, MayCrossThePiecesThatAreRead) {
  const std::string longest((3 << 20) + 7, 'x');
  RunFiles folder;
  folder.add("file", "a\n" + longest + "\nb\n");

  EXPECT_THAT(lines_of(folder), ElementsAre("a", longest, "b"));
}

TEST(TextLines, AreRefusedWhereTheyNeverEnd) {
  RunFiles folder;
  folder.add("file", "a\n");
  for (int piece = 0; piece < 66; ++piece) folder.add("file", std::string(1 << 20, 'x'));

  EXPECT_THAT([&] { (void)lines_of(folder); },
              FailsWith(StorageError::Kind::bad_format, HasSubstr("file:2: the line has more")));
}

}  // namespace
}  // namespace softmoe::training
