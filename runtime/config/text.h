#pragma once

// Text from outside, made fit for messages.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::config {

/// What keeps a byte from being text that we accept.
struct TextFault {
  std::size_t offset;
  std::string message;
};

/// The first byte that is not UTF-8 (RFC 3629: shortest form, no surrogates) or is a control
/// character other than a tab or the end of a line.
[[nodiscard]] std::optional<TextFault> find_text_fault(std::string_view text);

/// The characters of UTF-8 text. Controls, tabs and stray bytes each become one visible cell, so
/// that what is printed neither steers a terminal nor moves a caret.
[[nodiscard]] std::vector<std::string> characters_of(std::string_view text);

/// The same as one string.
[[nodiscard]] std::string printable(std::string_view text);

/// Printable and at most 60 characters, the rest as "…".
[[nodiscard]] std::string brief(std::string_view text);

}  // namespace softmoe::config
