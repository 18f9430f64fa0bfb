#include "runtime/config/secret.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace softmoe::config {
namespace {

constexpr std::array<std::string_view, 4> kSecretWords = {"token", "secret", "password", "key"};
constexpr std::array<std::string_view, 3> kPlaceWords = {"file", "path", "dir"};

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

template <std::size_t n>
bool contains(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

bool names_a_secret(std::string_view dotted_key) {
  bool secret = false;
  std::string word;
  for (const char c : dotted_key) {
    if (c == '_' || c == '-' || c == '.') {
      secret = secret || contains(kSecretWords, word);
      word.clear();
    } else {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return (secret || contains(kSecretWords, word)) && !contains(kPlaceWords, word);
}

std::string without_secret(std::string_view line) {
  for (std::size_t at = 0; at < line.size();) {
    if (!is_word_character(line[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < line.size() && is_word_character(line[end])) ++end;
    std::size_t sign = end;
    while (sign < line.size() &&
           std::string_view(" '\"").find(line[sign]) != std::string_view::npos) {
      ++sign;
    }
    const bool is_key = sign < line.size() && (line[sign] == ':' || line[sign] == '=');
    if (is_key && names_a_secret(line.substr(at, end - at))) {
      std::string kept(line.substr(0, sign + 1));
      if (line[sign] == ':') kept += ' ';
      return kept.append(kRedacted);
    }
    at = end;
  }
  return std::string(line);
}

}  // namespace softmoe::config
