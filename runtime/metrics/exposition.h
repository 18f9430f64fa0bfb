#pragma once

// The page between those who write numbers and those who scrape them.

#include <memory>
#include <string>

#include "runtime/metrics/registry.h"

namespace softmoe::metrics {

/// Makes the page on a thread of its own and holds the newest one, so that neither a step waits for
/// a scrape nor a scrape for a step. Thread-safe.
class Exposition {
 public:
  /// @param registry  outlives this object
  explicit Exposition(Registry& registry);
  ~Exposition();
  Exposition(const Exposition&) = delete;
  Exposition& operator=(const Exposition&) = delete;

  /// Numbers have changed: a new page is made soon, at most four a second. Never waits.
  void mark_changed();
  /// The newest page; at most five seconds old whatever happens. Never empty.
  [[nodiscard]] std::shared_ptr<const std::string> page() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::metrics
