#pragma once

// Streams and events: work held back until a host thread waits, and then drawn.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/gpu_emulation/random.h"
#include "tests/gpu_emulation/sanitizer.h"
#include "tests/gpu_emulation/work_item.h"

namespace softmoe::gpu_emulation {

/// A point in a stream that others wait for.
struct Mark {
  bool done = false;
  bool dropped = false;  ///< done because a deadlock ended all work
  sanitizer::OrderPoint order = 0;
};

}  // namespace softmoe::gpu_emulation

/// A stream; CUDA's name for what cudaStream_t points to.
struct CUstream_st {
  struct Held {
    std::unique_ptr<softmoe::gpu_emulation::WorkItem> item;
    std::unique_ptr<softmoe::gpu_emulation::sanitizer::OrderPoint> enqueued;
  };

  int device;
  int number;  ///< for reports
  softmoe::gpu_emulation::sanitizer::Context context;
  std::deque<Held> held;
  bool destroyed = false;  ///< goes when its work is done
};

/// An event; what cudaEvent_t points to.
struct CUevent_st {
  int device;
  std::shared_ptr<softmoe::gpu_emulation::Mark> last;  ///< null: never recorded
};

namespace softmoe::gpu_emulation {

using Stream = CUstream_st;

/// While it lives, what happens is done by `stream`, as far as ThreadSanitizer is concerned: what
/// is released, acquired, noted as read or written. Other accesses are the emulation's own and
/// nobody's: they are on the stack of whichever thread waits.
class AsStream {
 public:
  explicit AsStream(const Stream& stream) : before_(sanitizer::current_context()) {
    if (before_ != stream.context) inner_.emplace(stream.context);
  }
  AsStream(const AsStream&) = delete;
  AsStream& operator=(const AsStream&) = delete;

 private:
  struct Inner {
    explicit Inner(sanitizer::Context context) : entered(context) {}

    sanitizer::Entered entered;
    sanitizer::IgnoreAccesses ignore;
  };

  sanitizer::Context before_;
  std::optional<Inner> inner_;
};

/// All streams of all devices of the process. Work runs only inside wait() and poll(), one item at
/// a time, drawn at random among the first items of all streams that are ready; the thread that
/// waits runs whatever is drawn, also that of other threads' devices. Any thread.
class Scheduler {
 public:
  explicit Scheduler(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] Stream* create_stream(int device);
  /// Held work still runs. False if there is no such stream.
  [[nodiscard]] bool destroy_stream(Stream* stream);
  [[nodiscard]] bool is_stream(const Stream* stream);

  void enqueue(Stream& stream, std::unique_ptr<WorkItem> item);
  /// A mark behind all work of `stream` so far.
  [[nodiscard]] std::shared_ptr<Mark> record(Stream& stream);
  /// Later work of `stream` starts only after `mark`.
  void enqueue_wait(Stream& stream, std::shared_ptr<Mark> mark);

  /// Runs work until `mark` is done. False if all work was dropped because of a deadlock.
  [[nodiscard]] bool wait(Mark& mark);
  /// Runs at most one item; whether `mark` is done.
  [[nodiscard]] bool poll(Mark& mark);
  /// Waits for all work of all streams of `device`, for whose memory something is about to happen.
  [[nodiscard]] bool wait_for_device(int device);

  /// Calls `function` while no work runs and none is asked whether it is ready.
  template <class Function>
  decltype(auto) locked(Function&& function) {
    const sanitizer::IgnoreLocks ignore;
    const std::lock_guard lock(mutex_);
    return function();
  }
  /// Something that ready() depends on has changed from outside: waiting threads look again.
  void wake();

  void set_seed(std::uint64_t seed);
  void set_deadlock_patience(std::chrono::milliseconds patience);
  /// Descriptions of all held work, which is dropped.
  [[nodiscard]] std::vector<std::string> drop_all();

  /// For work that runs: the source of its own random choices.
  [[nodiscard]] Random& random() { return random_; }

 private:
  [[nodiscard]] Stream* draw();
  void run_first(Stream& stream);
  void remove_if_gone(Stream& stream);
  [[nodiscard]] std::vector<std::string> describe_first();
  void drop();
  void touch() { last_progress_ = std::chrono::steady_clock::now(); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> ready_;
  int num_streams_made_ = 0;
  Random random_;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
  std::chrono::milliseconds patience_{20'000};
};

/// The one of this process: CUDA's calls name none.
[[nodiscard]] Scheduler& scheduler();

}  // namespace softmoe::gpu_emulation
