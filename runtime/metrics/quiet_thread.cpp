#include "runtime/metrics/quiet_thread.h"

#include <csignal>
#include <utility>

namespace softmoe::metrics {
namespace {

/// All signals blocked on this thread, for the life of the object.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

std::thread start_quiet_thread(std::function<void()> body) {
  const NoSignals inherited_by_the_new_thread;
  return std::thread(std::move(body));
}

}  // namespace softmoe::metrics
