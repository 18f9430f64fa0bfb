#pragma once

// What the parser's complaints mean, and where the mistake really is.

#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/config/problems.h"
#include "runtime/config/source.h"

namespace YAML {
class Exception;
}

namespace softmoe::config {

/// Stops the parse: the structure of the rest is in doubt. Never leaves parse_document.
class SyntaxError : public std::runtime_error {
 public:
  SyntaxError(const Place& place, const std::string& message)
      : std::runtime_error(message), place_(place) {}

  [[nodiscard]] const Place& place() const { return place_; }

 private:
  Place place_;
};

/// A `[` or `{` that waits for its end.
struct OpenBracket {
  char bracket;
  Place place;
};

/// The end of an open bracket that did not come before `place`: points there if it is on the
/// bracket's line, and at the bracket otherwise.
[[nodiscard]] SyntaxError unclosed(const OpenBracket& open, const Place& place,
                                   const Source& source);

/// Puts an exception of the parser into the words and the place that help. The parser names the
/// token at which it gave up; the mistake is often on the line before.
/// @param open_brackets those around the place, the innermost last.
[[nodiscard]] SyntaxError explain(const YAML::Exception& error, const Source& source,
                                  const std::vector<OpenBracket>& open_brackets);

}  // namespace softmoe::config
