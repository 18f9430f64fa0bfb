#include "runtime/config/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace softmoe::config {
namespace {

constexpr int kMaxExponent = 99'999;

struct Suffix {
  std::string_view text;
  int exponent;
  std::uint64_t factor;
};

// The longer ones first: "Mi" also ends in what could be a shorter suffix.
constexpr std::array<Suffix, 6> kSuffixes = {{{"Ki", 0, 1ULL << 10},
                                              {"Mi", 0, 1ULL << 20},
                                              {"Gi", 0, 1ULL << 30},
                                              {"k", 3, 1},
                                              {"M", 6, 1},
                                              {"G", 9, 1}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes digits off the front, with single underscores between them.
std::string take_digits(std::string_view& text) {
  std::string digits;
  std::size_t at = 0;
  while (at < text.size()) {
    const bool parts = text[at] == '_' && at > 0 && is_digit(text[at - 1]) &&
                       at + 1 < text.size() && is_digit(text[at + 1]);
    if (!is_digit(text[at]) && !parts) break;
    if (!parts) digits += text[at];
    ++at;
  }
  text.remove_prefix(at);
  return digits;
}

bool take_sign(std::string_view& text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return negative;
}

// Takes `e6` or `k` off the front; whatever it does not understand stays.
void take_scale(std::string_view& text, Decimal& number) {
  for (const Suffix& suffix : kSuffixes) {
    if (text != suffix.text) continue;
    number.exponent += suffix.exponent;
    number.factor = suffix.factor;
    text = {};
    return;
  }
  if (!text.starts_with('e') && !text.starts_with('E')) return;
  std::string_view rest = text.substr(1);
  const bool negative = take_sign(rest);
  int exponent = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
  const bool all_digits = !rest.empty() && std::all_of(rest.begin(), rest.end(), is_digit);
  if (!all_digits) return;
  if (error != std::errc() || exponent > kMaxExponent) exponent = kMaxExponent;
  number.exponent += negative ? -exponent : exponent;
  text = {};
}

}  // namespace

std::variant<Decimal, NotDecimal> parse_decimal(std::string_view text) {
  Decimal number;
  number.negative = take_sign(text);
  const std::string whole = take_digits(text);
  std::string fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  number.digits = whole + fraction;
  number.exponent = -static_cast<int>(fraction.size());
  take_scale(text, number);
  if (!text.empty() || number.digits.empty()) return NotDecimal::malformed;
  if (whole.size() > 1 && whole.front() == '0') return NotDecimal::leading_zero;
  number.exponent = std::clamp(number.exponent, -kMaxExponent, kMaxExponent);
  return number;
}

}  // namespace softmoe::config
