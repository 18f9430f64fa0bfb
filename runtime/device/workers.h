#pragma once

// The threads of one rank. Work is handed out one index at a time, so put the largest first.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace softmoe {

/// A fixed set of threads, the calling one included; with one thread nothing is ever started. A
/// step hands out work thousands of times, so a thread without any looks out for it for some
/// microseconds, giving way to others, before it sleeps. Not reentrant: a function run by for_each
/// must not call for_each of the same Workers.
class Workers {
 public:
  /// @param num_threads at least 1, the calling thread included.
  explicit Workers(int num_threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls `function(index, worker)` for every index in [0, count), each once, in rising order of
  /// start, on any worker in [0, size()). Returns when all are done; allocates nothing.
  /// @throws what a call threw (the first one), after all have ended.
  template <class Function>
  void for_each(std::int64_t count, Function&& function) {
    if (threads_.empty() || count <= 1) {
      for (std::int64_t index = 0; index < count; ++index) function(index, 0);
      return;
    }
    run(
        count,
        [](void* context, std::int64_t index, int worker) {
          (*static_cast<std::remove_reference_t<Function>*>(context))(index, worker);
        },
        const_cast<void*>(static_cast<const void*>(&function)));
  }

 private:
  using Call = void (*)(void* context, std::int64_t index, int worker);

  void run(std::int64_t count, Call call, void* context);
  void work(int worker);
  void drain(int worker);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  std::atomic<std::uint64_t> round_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> stopping_{false};
  std::exception_ptr failure_;

  Call call_ = nullptr;
  void* context_ = nullptr;
  std::int64_t count_ = 0;
  std::atomic<std::int64_t> next_{0};
};

}  // namespace softmoe
