#include "training/report/markup.h"

#include <cstdint>

#include "runtime/base/errors.h"

namespace softmoe::training {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the character that `text` begins with; 0 if it is no well-formed UTF-8.
std::size_t length_of_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return 0;
  }
  // Too long for what they say, surrogates, and beyond the last character.
  const bool is_overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool is_none = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return is_overlong || is_none ? 0 : length;
}

bool is_control(char letter) {
  const auto byte = static_cast<std::uint8_t>(letter);
  return (byte < 0x20 && letter != '\n' && letter != '\t') || byte == 0x7F;
}

void append_character(std::string_view character, std::string& out) {
  switch (character[0]) {
    case '&':
      out += "&amp;";
      return;
    case '<':
      out += "&lt;";
      return;
    case '>':
      out += "&gt;";
      return;
    case '"':
      out += "&quot;";
      return;
    case '\'':
      out += "&#39;";
      return;
    default:
      out += is_control(character[0]) ? kReplacement : character;
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = length_of_character(text);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(1);
    } else {
      append_character(text.substr(0, length), out);
      text.remove_prefix(length);
    }
  }
  return out;
}

Markup::Element Markup::element(std::string_view tag, Attributes attributes) {
  open(tag, attributes);
  html_ += ">";
  open_.emplace_back(tag);
  return Element(*this);
}

void Markup::leaf(std::string_view tag, Attributes attributes, std::string_view text) {
  open(tag, attributes);
  html_ += ">";
  html_ += escaped(text);
  html_ += "</";
  html_ += tag;
  html_ += ">";
}

void Markup::empty(std::string_view tag, Attributes attributes) {
  open(tag, attributes);
  html_ += "/>";
}

const std::string& Markup::html() const {
  expect(open_.empty(), "every element of the page is closed");
  return html_;
}

void Markup::open(std::string_view tag, Attributes attributes) {
  html_ += "<";
  html_ += tag;
  for (const auto& [name, value] : attributes) {
    html_ += " ";
    html_ += name;
    html_ += "=\"";
    html_ += escaped(value);
    html_ += "\"";
  }
}

void Markup::close() {
  html_ += "</" + open_.back() + ">\n";
  open_.pop_back();
}

}  // namespace softmoe::training
