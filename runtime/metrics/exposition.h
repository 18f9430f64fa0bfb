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
  /// Makes the first page.
  /// @param registry  outlives this object, and so does what its refreshes refer to
  explicit Exposition(Registry& registry);
  ~Exposition();
  Exposition(const Exposition&) = delete;
  Exposition& operator=(const Exposition&) = delete;

  /// Numbers have changed: a new page is made soon, at most four a second and, if a page is costly,
  /// in at most a twentieth of the time. Never waits.
  void mark_changed();
  /// The newest page; at most five seconds old whatever happens, and the time that one takes to
  /// make. Never empty if the registry has a series.
  [[nodiscard]] std::shared_ptr<const std::string> page() const;
  /// How long the newest page took to make.
  [[nodiscard]] double page_seconds() const;
  /// Why the newest attempt made no page (a refresh threw), and page() is an older one; empty: it
  /// did. The next attempt follows in at most five seconds.
  [[nodiscard]] std::string failure() const;

  /// No page is made after it returns, and no refresh called; page() stays. Waits for a page that
  /// is being made.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::metrics
