// Runs all tests on every rank, in step. A rank's exit code is its own verdict; mpirun fails if any
// does.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "tests/mpi/rank_session.h"

namespace {

/// What ranks other than the first print: failures only.
class FailurePrinter : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    std::printf("%s:%d: %s.%s: %s\n", result.file_name(), result.line_number(),
                test->test_suite_name(), test->name(), result.summary());
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int exit_code = 1;
  {
    const softmoe::test::RankSession session;
    if (softmoe::test::rank_session().rank() != softmoe::Rank(0)) {
      testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
      const std::unique_ptr<testing::TestEventListener> printer(
          listeners.Release(listeners.default_result_printer()));
      listeners.Append(std::make_unique<FailurePrinter>().release());
    }
    exit_code = RUN_ALL_TESTS();
  }
  return exit_code;
}
