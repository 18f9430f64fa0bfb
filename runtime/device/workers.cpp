#include "runtime/device/workers.h"

#include <algorithm>

#include "runtime/base/errors.h"

namespace softmoe {

namespace {

/// Looks at a condition some tens of microseconds long; whoever has work gets the core meanwhile.
template <class Condition>
void look_out_for(const Condition& condition) {
  constexpr int kLooks = 64;
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
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
  }
  start_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::run(std::int64_t count, int num_shares, Call call, void* context) {
  {
    const std::lock_guard lock(mutex_);
    call_ = call;
    context_ = context;
    num_shares_ = num_shares;
    for (int i = 0; i < num_shares; ++i) {
      Share& share = shares_[static_cast<std::size_t>(i)];
      share.next.store(count * i / num_shares, std::memory_order_relaxed);
      share.end = count * (i + 1) / num_shares;
    }
    busy_.store(static_cast<int>(threads_.size()));
    failure_ = nullptr;
    round_.fetch_add(1);
  }
  start_.notify_all();
  drain(0);
  const auto is_done = [this] { return busy_.load() == 0; };
  look_out_for(is_done);
  std::unique_lock lock(mutex_);
  done_.wait(lock, is_done);
  if (failure_) std::rethrow_exception(failure_);
}

void Workers::work(int worker) {
  std::uint64_t seen_round = 0;
  for (;;) {
    const auto has_work = [&] { return stopping_.load() || round_.load() != seen_round; };
    look_out_for(has_work);
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, has_work);
      if (stopping_.load()) return;
      seen_round = round_.load();
    }
    drain(worker);
    const std::lock_guard lock(mutex_);
    if (busy_.fetch_sub(1) == 1) done_.notify_one();
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
