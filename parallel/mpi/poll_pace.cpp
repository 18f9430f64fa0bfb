#include "parallel/mpi/poll_pace.h"

#include <sched.h>

#include <thread>

namespace softmoe::parallel {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kYieldTime{2};
constexpr std::int64_t kSlowBytesPerMicrosecond = 200;  // a slow link
constexpr microseconds kSleep{50};
constexpr milliseconds kLookEvery{1};

}  // namespace

PollPace::PollPace(std::int64_t bytes)
    : yield_until_(Clock::now() + kYieldTime + microseconds(bytes / kSlowBytesPerMicrosecond)),
      next_look_(Clock::now() + kLookEvery) {}

bool PollPace::rest() {
  const Clock::time_point now = Clock::now();
  if (now < yield_until_) {
    sched_yield();
  } else {
    std::this_thread::sleep_for(kSleep);
  }
  if (now < next_look_) return false;
  next_look_ = now + kLookEvery;
  return true;
}

}  // namespace softmoe::parallel
