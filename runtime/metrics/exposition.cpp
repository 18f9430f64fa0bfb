#include "runtime/metrics/exposition.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "runtime/metrics/quiet_thread.h"

namespace softmoe::metrics {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kShortestPause{250};
// Below the five seconds that are promised, by more than a page takes to make.
constexpr std::chrono::milliseconds kLongestPause{4000};
// Pages are made beside the training, on its processors.
constexpr int kShareOfTime = 20;

}  // namespace

struct Exposition::State {
  explicit State(Registry& of) : registry(of) { make_page(); }

  void make_page();
  void run();
  [[nodiscard]] Clock::duration pause() const {
    return std::clamp<Clock::duration>(kShareOfTime * page_time, kShortestPause, kLongestPause);
  }

  Registry& registry;
  mutable std::mutex mutex;  // never held while a page is made
  std::condition_variable wake;
  bool changed = false;
  bool stopping = false;
  std::shared_ptr<const std::string> page;
  std::string failure;
  Clock::time_point made_at;  // when the newest attempt began
  Clock::duration page_time{};
  std::thread thread;  // last: it uses all above
};

void Exposition::State::make_page() {
  const Clock::time_point begin = Clock::now();
  auto made = std::make_shared<const std::string>(registry.page());
  const Clock::time_point end = Clock::now();
  const std::lock_guard lock(mutex);
  page.swap(made);
  page_time = end - begin;
}

void Exposition::State::run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    const Clock::time_point soonest = made_at + pause();
    if (wake.wait_until(lock, soonest, [this] { return stopping; })) return;
    wake.wait_until(lock, made_at + kLongestPause, [this] { return stopping || changed; });
    if (stopping) return;
    changed = false;
    made_at = Clock::now();
    lock.unlock();
    std::string why;
    try {
      make_page();
    } catch (const std::exception& error) {
      why = error.what();
      if (why.empty()) why = "an error without words";
    } catch (...) {
      why = "something that is no error was thrown";
    }
    lock.lock();
    failure = std::move(why);
  }
}

Exposition::Exposition(Registry& registry) : state_(std::make_unique<State>(registry)) {
  state_->made_at = Clock::now();
  state_->thread = start_quiet_thread([state = state_.get()] { state->run(); });
}

Exposition::~Exposition() {
  stop();
}

void Exposition::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

void Exposition::mark_changed() {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->changed) return;
    state_->changed = true;
  }
  state_->wake.notify_one();
}

std::shared_ptr<const std::string> Exposition::page() const {
  const std::lock_guard lock(state_->mutex);
  return state_->page;
}

double Exposition::page_seconds() const {
  const std::lock_guard lock(state_->mutex);
  return std::chrono::duration<double>(state_->page_time).count();
}

std::string Exposition::failure() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failure;
}

}  // namespace softmoe::metrics
