#pragma once

// The deferred test mode of the CPU device: what a GPU would be allowed to do, drawn at random.

#include <cstdint>
#include <functional>
#include <vector>

namespace softmoe {

/// Holds work until somebody waits, then runs it in a random order that respects every edge.
///
/// A missing event edge, a host read without HostCopy or a capture of a local by reference, all
/// harmless when work runs at once, give wrong results here, as they would on a GPU.
/// Used by one thread (the rank's).
class Schedule {
 public:
  /// Place of a piece of work; 0 is "nothing yet", which is always done.
  using Ticket = std::int64_t;

  explicit Schedule(std::uint64_t seed) : state_(seed) {}

  /// Holds `work` until all of `after` are done.
  Ticket hold(std::function<void()> work, std::vector<Ticket> after);
  /// Runs held work, drawn at random among what may run, until `ticket` is done.
  void run_until(Ticket ticket);

 private:
  struct Item {
    Ticket ticket;
    std::function<void()> work;
    std::vector<Ticket> after;
  };

  [[nodiscard]] bool is_done(Ticket ticket) const;
  [[nodiscard]] bool may_run(const Item& item) const;
  [[nodiscard]] std::uint64_t draw();

  std::vector<Item> held_;
  Ticket last_ = 0;
  std::uint64_t state_;
};

}  // namespace softmoe
