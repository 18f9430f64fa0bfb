#include "runtime/metrics/quiet_thread.h"

#include <gmock/gmock.h>

#include <csignal>

namespace softmoe::metrics {
namespace {

bool is_blocked_here(int signal) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return ::sigismember(&blocked, signal) == 1;
}

TEST(QuietThread, LeavesSignalsToTheOthers) {
  bool term_is_blocked = false;
  bool usr1_is_blocked = false;

  std::thread thread = start_quiet_thread([&] {
    term_is_blocked = is_blocked_here(SIGTERM);
    usr1_is_blocked = is_blocked_here(SIGUSR1);
  });
  thread.join();

  EXPECT_TRUE(term_is_blocked);
  EXPECT_TRUE(usr1_is_blocked);
  EXPECT_FALSE(is_blocked_here(SIGTERM));
  EXPECT_FALSE(is_blocked_here(SIGUSR1));
}

}  // namespace
}  // namespace softmoe::metrics
