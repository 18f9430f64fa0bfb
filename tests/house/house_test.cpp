// The architecture, checked on the tree as it is. What each rule finds is in house_rules_test.cpp.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/house/house_rules.h"

namespace softmoe::test {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

const fs::path kRoot = SOFTMOE_SOURCE_DIR;

SourceFile read(const fs::path& path) {
  SourceFile file{.path = path.lexically_relative(kRoot).generic_string(), .lines = {}};
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
  return file;
}

/// The files under the given folders that end in one of `extensions`, in the order of their paths.
SourceFiles read_all(const std::vector<std::string>& folders,
                     const std::set<std::string>& extensions) {
  SourceFiles files;
  for (const std::string& folder : folders) {
    if (!fs::is_directory(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.is_regular_file() && extensions.contains(entry.path().extension().string())) {
        files.push_back(read(entry.path()));
      }
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

class House : public testing::Test {
 protected:
  static FolderOrder order() {
    return parse_folder_order(read(kRoot / "cmake/SoftmoeHouse.cmake"));
  }

  static std::vector<std::string> all_folders() {
    std::vector<std::string> folders = {"tests", "bench"};
    for (const auto& [folder, uses] : order()) folders.push_back(folder);
    return folders;
  }

  static SourceFiles code() { return read_all(all_folders(), {".h", ".cpp", ".cu", ".cuh"}); }
};

TEST_F(House, HasATableOfItsFoldersAndCodeInThem) {
  EXPECT_THAT(order()["runtime"], IsEmpty());
  EXPECT_THAT(order()["experts"], testing::ElementsAre("budget", "parallel", "router", "runtime"));
  EXPECT_GT(code().size(), 50U);
}

TEST_F(House, FoldersIncludeOnlyWhatTheirPlaceAllows) {
  EXPECT_THAT(against_folder_order(code(), order()), IsEmpty());
}

TEST_F(House, LibrariesStayInTheirHomes) {
  EXPECT_THAT(against_library_homes(code()), IsEmpty());
}

TEST_F(House, IncludesStartAtTheRoot) {
  EXPECT_THAT(against_rooted_includes(code()), IsEmpty());
}

TEST_F(House, HeadersAreIncludedOnce) {
  EXPECT_THAT(against_pragma_once(code()), IsEmpty());
}

TEST_F(House, FilesAreNoLongerThanAnIdea) {
  EXPECT_THAT(against_file_sizes(code()), IsEmpty());
}

TEST_F(House, NothingVariesByThePreprocessor) {
  EXPECT_THAT(against_preprocessor(code()), IsEmpty());
}

TEST_F(House, KernelsCanBeEmulated) {
  EXPECT_THAT(against_kernel_rules(code()), IsEmpty());
}

TEST_F(House, NoReminderIsLeftBehind) {
  EXPECT_THAT(against_reminders(code()), IsEmpty());
}

TEST_F(House, NoPathOfOneMachineIsLeftBehind) {
  std::vector<std::string> folders = all_folders();
  folders.push_back("cmake");

  EXPECT_THAT(against_machine_paths(
                  read_all(folders, {".h", ".cpp", ".cu", ".cuh", ".cmake", ".txt", ".sh", ".py"})),
              IsEmpty());
}

TEST_F(House, SourcesIncludeTheirOwnHeaderFirst) {
  EXPECT_THAT(against_own_header_first(code()), IsEmpty());
}

TEST_F(House, NamespacesFollowFolders) {
  EXPECT_THAT(against_namespaces(code(), order()), IsEmpty());
}

/// Whether a program carries sentencepiece: a shared library leaves its name, a static one the
/// names of its types, which survive `strip`.
bool links_sentencepiece(const fs::path& program) {
  std::ifstream stream(program, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  return bytes.find("libsentencepiece") != std::string::npos ||
         bytes.find("N13sentencepiece") != std::string::npos;
}

// Its protobuf and that of gRPC kill any process in which both are loaded.
TEST_F(House, TheMainProgramDoesNotLinkSentencepiece) {
  if (!fs::exists(SOFTMOE_PROGRAM)) GTEST_SKIP() << "the program softmoe is not built";

  EXPECT_FALSE(links_sentencepiece(SOFTMOE_PROGRAM));
}

TEST_F(House, TheTokenizersProgramDoesLinkSentencepiece) {
  if (!fs::exists(SOFTMOE_TOKENIZER_PROGRAM)) GTEST_SKIP() << "softmoe-tokenizer is not built";

  EXPECT_TRUE(links_sentencepiece(SOFTMOE_TOKENIZER_PROGRAM));
}

}  // namespace
}  // namespace softmoe::test
