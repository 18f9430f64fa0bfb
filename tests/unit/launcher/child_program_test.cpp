// Programs that are run to their end without a shell.

#include "launcher/submit/child_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

ProgramEnd run(const std::vector<std::string>& words) {
  return run_to_end(words, Deadline::in(60s));
}

TEST(ChildProgram, GivesBackItsCodeAndBothOutputs) {
  const ProgramEnd ended = run({"sh", "-c", "echo out; echo err >&2; exit 3"});

  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.output, "out\n");
  EXPECT_EQ(ended.errors, "err\n");
  EXPECT_EQ(run({"sh", "-c", "kill -9 $$"}).code, 137);
}

TEST(ChildProgram, TakesEveryWordAsItIs) {
  EXPECT_EQ(run({"printf", "%s|", "a b", "$HOME", "*", "'"}).output, "a b|$HOME|*|'|");
}

TEST(ChildProgram, HasNothingToRead) {
  EXPECT_EQ(run({"cat"}).code, 0);
}

TEST(ChildProgram, KeepsMoreThanAPipeHolds) {
  EXPECT_EQ(run({"head", "-c", "1000000", "/dev/zero"}).output.size(), 1'000'000U);
}

TEST(ChildProgram, IsKilledWithWhatItStartedAtItsDeadline) {
  try {
    (void)run_to_end({"sh", "-c", "echo waiting; sleep 1000 & wait"}, Deadline::in(300ms));
    FAIL() << "it did not end";
  } catch (const StorageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("waiting"));
  }
}

TEST(ChildProgram, ThatDoesNotExistIsSaidSo) {
  EXPECT_THROW((void)run({"softmoe-no-such-program"}), ConfigError);
}

TEST(ChildProgram, IsFoundAlongThePath) {
  const auto path = [](const char* value) {
    return [value](const char*) -> const char* { return value; };
  };

  EXPECT_EQ(find_program("sh", path("/nowhere::/bin")), "/bin/sh");
  EXPECT_EQ(find_program("sh", path("/nowhere")), std::nullopt);
  EXPECT_EQ(find_program("sh", path(nullptr)), std::nullopt);
}

TEST(ChildProgram, AShellMakesTheSameWordsOfWhatIsPrinted) {
  const std::vector<std::string> words = {"printf", "%s|", "a b", "it's", "",  "$(x)",
                                          "k=v",    "a*b", "~",   "\\",   "\n"};

  EXPECT_EQ(run({"sh", "-c", in_shell(words)}).output, run(words).output);
  EXPECT_EQ(in_shell({"sbatch", "--nodes=4", "a b"}), "sbatch --nodes=4 'a b'");
}

}  // namespace
}  // namespace softmoe::launcher
