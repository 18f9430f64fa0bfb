#pragma once

// The threads of one rank. Work is handed out one index at a time, so put the largest first.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace softmoe {

/// A fixed set of threads, the calling one included; with one thread nothing is ever started. A
/// step hands out work thousands of times, so a thread without any looks out for it for a while,
/// giving way to others, before it sleeps. Not reentrant: a function run by for_each
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
    hand_out(count, /*num_shares=*/1, function);
  }

  /// The same for indices that lie behind one another in memory: each worker has a share of
  /// neighbours, in rising order, and helps the others when it is through. One operation after the
  /// other thus finds in a core's cache what that core wrote.
  template <class Function>
  void for_each_near(std::int64_t count, Function&& function) {
    hand_out(count, /*num_shares=*/size(), function);
  }

 private:
  using Call = void (*)(void* context, std::int64_t index, int worker);

  /// Indices that are taken one after the other, alone in its cache line.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  template <class Function>
  void hand_out(std::int64_t count, int num_shares, Function& function) {
    if (threads_.empty() || count <= 1) {
      for (std::int64_t index = 0; index < count; ++index) function(index, 0);
      return;
    }
    run(
        count, num_shares,
        [](void* context, std::int64_t index, int worker) {
          (*static_cast<Function*>(context))(index, worker);
        },
        const_cast<void*>(static_cast<const void*>(&function)));
  }
  void run(std::int64_t count, int num_shares, Call call, void* context);
  /// Looks out for the condition, then sleeps until it holds.
  template <class Condition>
  void wait_for(std::condition_variable& woken, const Condition& condition);
  /// To be called after the condition of a sleeper has come true.
  void wake(std::condition_variable& sleeper);
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
  int num_shares_ = 1;
  std::vector<Share> shares_;
};

}  // namespace softmoe
