#include "runtime/device/workers.h"

#include <algorithm>

#include "runtime/base/errors.h"

namespace softmoe {

namespace {

/// Looks at a condition for some hundred microseconds, longer than what a step does on one thread
/// between two operations; whoever has work gets the core meanwhile.
template <class Condition>
void look_out_for(const Condition& condition) {
  constexpr int kLooks = 512;
  for (int look = 0; look < kLooks && !condition(); ++look) std::this_thread::yield();
}

}  // namespace

Workers::Workers(int num_threads) : shares_(static_cast<std::size_t>(std::max(1, num_threads))) {
  require(num_threads >= 1, "a rank needs at least one thread");
  for (int worker = 1; worker < num_threads; ++worker) {
    threads_.emplace_back([this, worker] { work(worker); });
  }
}

Workers::~Workers() {
  stopping_.store(true);
  wake(start_);
  for (std::thread& thread : threads_) thread.join();
}

template <class Condition>
void Workers::wait_for(std::condition_variable& woken, const Condition& condition) {
  look_out_for(condition);
  if (condition()) return;
  std::unique_lock lock(mutex_);
  woken.wait(lock, condition);
}

void Workers::wake(std::condition_variable& sleeper) {
  // Whoever found the condition false under the lock sleeps by now.
  { const std::lock_guard lock(mutex_); }
  sleeper.notify_all();
}

void Workers::run(std::int64_t count, int num_shares, Call call, void* context) {
  // No worker reads these before round_ has moved on, nor after busy_ is 0.
  call_ = call;
  context_ = context;
  num_shares_ = num_shares;
  for (int i = 0; i < num_shares; ++i) {
    Share& share = shares_[static_cast<std::size_t>(i)];
    share.next.store(count * i / num_shares, std::memory_order_relaxed);
    share.end = count * (i + 1) / num_shares;
  }
  failure_ = nullptr;
  busy_.store(static_cast<int>(threads_.size()));
  round_.fetch_add(1);
  wake(start_);
  drain(0);
  wait_for(done_, [this] { return busy_.load() == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

void Workers::work(int worker) {
  std::uint64_t seen_round = 0;
  for (;;) {
    wait_for(start_, [&] { return stopping_.load() || round_.load() != seen_round; });
    if (stopping_.load()) return;
    seen_round = round_.load();
    drain(worker);
    if (busy_.fetch_sub(1) == 1) wake(done_);
  }
}

void Workers::drain(int worker) {
  try {
    for (int i = 0; i < num_shares_; ++i) {
      Share& share = shares_[static_cast<std::size_t>((worker + i) % num_shares_)];
      for (;;) {
        const std::int64_t index = share.next.fetch_add(1, std::memory_order_relaxed);
        if (index >= share.end) break;
        call_(context_, index, worker);
      }
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

}  // namespace softmoe
