#pragma once

// What is wrong with a configuration, where, and how it is told to the user.

#include <compare>
#include <cstddef>
#include <string>
#include <vector>

#include "runtime/config/source.h"

namespace softmoe::config {

/// Where a key, a value or a mistake stands. Ordered as messages are.
struct Place {
  enum class In { document, defaults, command_line };

  In in = In::defaults;
  int line =
      0;  ///< document: from 1, or 0 for the whole of it; command line: index of the override
  int column = 0;  ///< from 1, in bytes of the line or of the override; 0 for all of it

  friend auto operator<=>(const Place&, const Place&) = default;
};

/// Everything the user wrote: a document and `key=value` overrides.
struct Input {
  Source source;
  std::vector<std::string> overrides;

  /// "train.yaml:17:9", "train.yaml", "command line" or "default"; the column counts characters.
  [[nodiscard]] std::string name_of(const Place& place) const;

  /// The line with a caret beneath the place, as two lines of text; empty where there is none.
  /// What a secret key holds is left out, and nothing in it can control a terminal.
  [[nodiscard]] std::string excerpt(const Place& place) const;
};

struct Problem {
  Place place;
  std::string message;
};

/// Problems in the order of their places, each as `place: error: message` and an excerpt.
/// After kMaxShown of them only their number is told.
class Problems {
 public:
  static constexpr std::size_t kMaxShown = 20;

  void add(const Place& place, std::string message);
  void append(const Problems& others);

  [[nodiscard]] bool empty() const { return problems_.empty(); }
  [[nodiscard]] std::size_t size() const { return problems_.size(); }

  /// @throws ConfigError with all of them if there is any.
  void throw_if_any(const Input& input) const;

 private:
  std::vector<Problem> problems_;
};

}  // namespace softmoe::config
