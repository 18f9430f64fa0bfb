#include "runtime/config/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace softmoe::config {
namespace {

constexpr std::size_t kBriefCharacters = 60;

bool continues(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// Bytes of the well-formed character at `at`, or 0. Table 3-7 of the Unicode standard.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !continues(text, at + 1)) return 0;
  if (first < 0xE0) return 2;
  const unsigned char second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  if (!continues(text, at + 2)) return 0;
  if (first < 0xF0) return 3;
  return continues(text, at + 3) ? 4 : 0;
}

// C1 controls are two bytes in UTF-8: C2 80 to C2 9F.
bool is_control(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x20 || first == 0x7F) return true;
  return first == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
}

bool ends_line(std::string_view text, std::size_t at) {
  return text[at] == '\n' || (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n');
}

}  // namespace

std::optional<TextFault> find_text_fault(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_bytes(text, at);
    const auto value = static_cast<unsigned char>(text[at]);
    if (bytes == 0) return TextFault{at, fmt::format("byte 0x{:02x} is not UTF-8 text", value)};
    if (is_control(text, at) && text[at] != '\t' && !ends_line(text, at)) {
      return TextFault{at, fmt::format("control character 0x{:02x}; write it as \"\\x{:02x}\"",
                                       bytes == 1 ? value : text[at + 1] & 0xFF,
                                       bytes == 1 ? value : text[at + 1] & 0xFF)};
    }
    at += bytes;
  }
  return std::nullopt;
}

std::vector<std::string> characters_of(std::string_view text) {
  std::vector<std::string> characters;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_bytes(text, at);
    if (text[at] == '\t') {
      characters.emplace_back(" ");
    } else if (bytes == 0 || is_control(text, at)) {
      characters.emplace_back("?");
    } else {
      characters.emplace_back(text.substr(at, bytes));
    }
    at += std::max<std::size_t>(bytes, 1);
  }
  return characters;
}

std::string printable(std::string_view text) {
  std::string all;
  for (const std::string& character : characters_of(text)) all += character;
  return all;
}

std::string brief(std::string_view text) {
  // Four bytes is the most a character takes, so this prefix holds all that is shown.
  const std::vector<std::string> characters =
      characters_of(text.substr(0, 4 * (kBriefCharacters + 1)));
  std::string shown;
  for (std::size_t i = 0; i < std::min(characters.size(), kBriefCharacters); ++i) {
    shown += characters[i];
  }
  return characters.size() > kBriefCharacters ? shown + "…" : shown;
}

}  // namespace softmoe::config
