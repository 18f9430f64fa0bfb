#pragma once

// As much of PromQL as it takes to say what an expression reads.

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::test {

/// {label="value"}
struct Matcher {
  std::string label;
  std::string op;  ///< =, !=, =~, !~
  std::string value;
};

/// metric{matchers}[range]
struct Selector {
  std::string metric;
  std::vector<Matcher> matchers;
  std::string range;     ///< of a range vector, as written; else empty
  std::string function;  ///< what it is the argument of, else empty

  /// metric{matchers}, without a range: a query of its own.
  [[nodiscard]] std::string text() const;
};

/// What an expression reads, and the labels that it groups or joins by.
struct Reads {
  std::vector<Selector> selectors;
  std::set<std::string> labels;
};

/// @throws std::invalid_argument if brackets, quotes or matchers are not those of PromQL. What it
///         does not find is left to promtool.
[[nodiscard]] Reads reads_of(std::string_view expression);

}  // namespace softmoe::test
