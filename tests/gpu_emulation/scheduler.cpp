#include "tests/gpu_emulation/scheduler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/faults.h"

namespace softmoe::gpu_emulation {
namespace {

class MarkItem final : public WorkItem {
 public:
  explicit MarkItem(std::shared_ptr<Mark> mark) : mark_(std::move(mark)) {}
  ~MarkItem() override {
    if (!mark_->done) mark_->done = mark_->dropped = true;
  }

  void run() override {
    sanitizer::release(mark_->order);
    mark_->done = true;
  }
  std::string describe() const override { return "an event's record"; }

 private:
  std::shared_ptr<Mark> mark_;
};

class WaitItem final : public WorkItem {
 public:
  explicit WaitItem(std::shared_ptr<Mark> mark) : mark_(std::move(mark)) {}

  bool ready() override { return mark_->done; }
  void run() override { sanitizer::acquire(mark_->order); }
  std::string describe() const override { return "a wait for an event of another stream"; }

 private:
  std::shared_ptr<Mark> mark_;
};

std::uint64_t seed_of_environment() {
  const char* text = std::getenv("SOFTMOE_GPU_EMULATION_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

}  // namespace

Stream* Scheduler::create_stream(int device) {
  return locked([&] {
    streams_.push_back(std::make_unique<Stream>(
        Stream{device, num_streams_made_++, sanitizer::create_context(), {}}));
    return streams_.back().get();
  });
}

bool Scheduler::destroy_stream(Stream* stream) {
  return locked([&] {
    const auto found = std::find_if(streams_.begin(), streams_.end(), [&](const auto& one) {
      return one.get() == stream && !one->destroyed;
    });
    if (found == streams_.end()) return false;
    stream->destroyed = true;
    remove_if_gone(*stream);
    return true;
  });
}

bool Scheduler::is_stream(const Stream* stream) {
  return locked([&] {
    return std::any_of(streams_.begin(), streams_.end(),
                       [&](const auto& one) { return one.get() == stream && !one->destroyed; });
  });
}

void Scheduler::enqueue(Stream& stream, std::unique_ptr<WorkItem> item) {
  // What the host has done so far is before the work.
  auto enqueued = std::make_unique<sanitizer::OrderPoint>(0);
  sanitizer::release(*enqueued);
  locked([&] {
    stream.held.push_back({std::move(item), std::move(enqueued)});
    touch();
  });
  changed_.notify_all();
}

std::shared_ptr<Mark> Scheduler::record(Stream& stream) {
  auto mark = std::make_shared<Mark>();
  enqueue(stream, std::make_unique<MarkItem>(mark));
  return mark;
}

void Scheduler::enqueue_wait(Stream& stream, std::shared_ptr<Mark> mark) {
  enqueue(stream, std::make_unique<WaitItem>(std::move(mark)));
}

bool Scheduler::wait(Mark& mark) {
  {
    const sanitizer::IgnoreLocks ignore;
    std::unique_lock lock(mutex_);
    touch();
    while (!mark.done) {
      if (Stream* stream = draw()) {
        run_first(*stream);
        // Others may want to enqueue more before the next draw.
        lock.unlock();
        changed_.notify_all();
        lock.lock();
      } else if (changed_.wait_until(lock, last_progress_ + patience_) == std::cv_status::timeout &&
                 std::chrono::steady_clock::now() >= last_progress_ + patience_ && !mark.done &&
                 draw() == nullptr) {
        report(FaultKind::deadlock,
               fmt::format("nothing may run, yet a thread waits; held back: {}",
                           fmt::join(describe_first(), "; ")));
        drop();
      }
    }
  }
  sanitizer::acquire(mark.order);
  return !mark.dropped;
}

bool Scheduler::poll(Mark& mark) {
  const bool done = locked([&] {
    if (!mark.done) {
      if (Stream* stream = draw()) run_first(*stream);
    }
    return mark.done;
  });
  changed_.notify_all();
  if (done) sanitizer::acquire(mark.order);
  return done;
}

bool Scheduler::wait_for_device(int device) {
  const std::vector<Stream*> streams = locked([&] {
    std::vector<Stream*> found;
    for (const auto& stream : streams_) {
      if (stream->device == device) found.push_back(stream.get());
    }
    return found;
  });
  bool ran = true;
  for (Stream* stream : streams) {
    // A destroyed stream may go while another is waited for.
    const bool there = locked([&] {
      return std::any_of(streams_.begin(), streams_.end(),
                         [&](const auto& one) { return one.get() == stream; });
    });
    if (there && !wait(*record(*stream))) ran = false;
  }
  return ran;
}

void Scheduler::wake() {
  locked([&] { touch(); });
  changed_.notify_all();
}

void Scheduler::set_seed(std::uint64_t seed) {
  locked([&] { random_ = Random(seed); });
}

void Scheduler::set_deadlock_patience(std::chrono::milliseconds patience) {
  locked([&] { patience_ = patience; });
}

std::vector<std::string> Scheduler::drop_all() {
  std::vector<std::string> all = locked([&] {
    std::vector<std::string> texts;
    for (const auto& stream : streams_) {
      for (const auto& held : stream->held) {
        texts.push_back(fmt::format("stream {} of device {}: {}", stream->number, stream->device,
                                    held.item->describe()));
      }
    }
    drop();
    return texts;
  });
  changed_.notify_all();
  return all;
}

Stream* Scheduler::draw() {
  ready_.clear();
  for (const auto& stream : streams_) {
    if (!stream->held.empty() && stream->held.front().item->ready()) {
      ready_.push_back(stream.get());
    }
  }
  if (ready_.empty()) return nullptr;
  return ready_[random_.below(static_cast<std::uint32_t>(ready_.size()))];
}

void Scheduler::run_first(Stream& stream) {
  Stream::Held held = std::move(stream.held.front());
  stream.held.pop_front();
  {
    const AsStream as(stream);
    sanitizer::acquire(*held.enqueued);
    const OpenMemory open(stream.device);
    held.item->run();
    held = {};
  }
  remove_if_gone(stream);
  touch();
}

void Scheduler::remove_if_gone(Stream& stream) {
  if (!stream.destroyed || !stream.held.empty()) return;
  sanitizer::destroy_context(stream.context);
  std::erase_if(streams_, [&](const auto& one) { return one.get() == &stream; });
}

std::vector<std::string> Scheduler::describe_first() {
  std::vector<std::string> texts;
  for (const auto& stream : streams_) {
    if (stream->held.empty()) continue;
    texts.push_back(fmt::format("stream {} of device {}: {} and {} more", stream->number,
                                stream->device, stream->held.front().item->describe(),
                                stream->held.size() - 1));
  }
  return texts;
}

void Scheduler::drop() {
  for (const auto& stream : streams_) stream->held.clear();
  std::erase_if(streams_, [](const auto& stream) {
    if (stream->destroyed) sanitizer::destroy_context(stream->context);
    return stream->destroyed;
  });
  changed_.notify_all();
}

Scheduler& scheduler() {
  // Never destroyed: objects with static life may still free memory of a device.
  static Scheduler* instance = new Scheduler(seed_of_environment());
  return *instance;
}

namespace {

// Made while there is one thread. ThreadSanitizer takes malloc's memory for written by the thread
// that asked for it, and does not see the guard of the static above: this file is not instrumented.
[[maybe_unused]] const Scheduler& made_before_any_thread = scheduler();

}  // namespace

void set_seed(std::uint64_t seed) {
  scheduler().set_seed(seed);
}

void set_deadlock_patience(std::chrono::milliseconds patience) {
  scheduler().set_deadlock_patience(patience);
}

void require_idle() {
  const std::vector<std::string> held = scheduler().drop_all();
  if (!held.empty()) {
    report(FaultKind::pending_work, fmt::format("nobody waited for: {}", fmt::join(held, "; ")));
  }
}

}  // namespace softmoe::gpu_emulation
