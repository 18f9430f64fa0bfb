#include "launcher/run/stop_signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "budget/control_word.h"

namespace softmoe::launcher {

namespace {

// A signal handler reaches nothing but what has static storage.
std::atomic<int> signals_seen{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_stop_signal(int number) {
  if (signals_seen.fetch_add(1) > 0) _exit(128 + number);
}

void handle(int number) {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals(Launch launch) {
  handle(SIGUSR1);
  handle(SIGINT);
  if (launch == Launch::alone) handle(SIGTERM);
}

std::uint32_t StopSignals::requests() const {
  return signals_seen.load() > 0 ? static_cast<std::uint32_t>(budget::Request::drain) : 0;
}

}  // namespace softmoe::launcher
