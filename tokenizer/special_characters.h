#pragma once

#include <cstddef>
#include <string_view>

namespace softmoe::tokenizer {

/// U+2581, which stands for the space inside pieces.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";
/// U+2585, which stands for an unknown character while sentencepiece trains.
inline constexpr std::string_view kUnknownMark = "\xe2\x96\x85";

/// Length of the character at the front of `text` if no learnt piece may hold it: a control
/// character or one of the two marks. 0 for any other, and for an empty text. These characters are
/// always spelt in bytes; otherwise a mark in the text would come back as a space.
[[nodiscard]] constexpr std::size_t reserved_length(std::string_view text) {
  if (text.empty()) return 0;
  if (static_cast<unsigned char>(text[0]) < 0x20) return 1;
  if (text.starts_with(kSpaceMark) || text.starts_with(kUnknownMark)) return kSpaceMark.size();
  return 0;
}

}  // namespace softmoe::tokenizer
