#include "runtime/config/scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>
#include <variant>

#include "runtime/base/errors.h"
#include "runtime/config/decimal.h"

namespace softmoe::config {
namespace {

constexpr std::string_view kWholeForm = "must be a whole number, such as 12, 1_000, 64k or 1e6";
constexpr std::string_view kRealForm = "must be a finite number, such as 0.1, 3e-4 or 2.5M";

// Words and shapes that some reader of YAML takes for a truth value, a number or nothing.
constexpr std::array<std::string_view, 10> kReserved = {"true", "false", "yes", "no", "on",
                                                        "off",  "null",  "y",   "n",  "nan"};

template <class T>
Parsed<T> accept(T value) {
  return {std::move(value), {}};
}

template <class T>
Parsed<T> refuse(std::string_view must) {
  return {std::nullopt, std::string(must)};
}

enum class NotWhole { fraction, too_large };

// The magnitude of a decimal in exact integers.
std::variant<std::uint64_t, NotWhole> magnitude_of(const Decimal& number) {
  std::string_view digits = number.digits;
  int exponent = number.exponent;
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return std::uint64_t{0};
  while (digits.back() == '0') {
    digits.remove_suffix(1);
    ++exponent;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc()) return exponent < 0 ? NotWhole::fraction : NotWhole::too_large;
  if (__builtin_mul_overflow(value, number.factor, &value)) return NotWhole::too_large;
  for (; exponent < 0; ++exponent) {
    if (value % 10 != 0) return NotWhole::fraction;
    value /= 10;
  }
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value)) return NotWhole::too_large;
  }
  return value;
}

template <class T>
Parsed<T> parse_whole(const Decimal& number) {
  const auto magnitude = magnitude_of(number);
  const auto* why = std::get_if<NotWhole>(&magnitude);
  if (why != nullptr && *why == NotWhole::fraction) return refuse<T>(kWholeForm);
  if (const auto* value = std::get_if<std::uint64_t>(&magnitude)) {
    if (!number.negative && std::in_range<T>(*value)) return accept(static_cast<T>(*value));
    // Two's complement: the magnitude of the lowest value is one more than the highest.
    const auto lowest = static_cast<std::uint64_t>(0) -
                        static_cast<std::uint64_t>(std::numeric_limits<T>::lowest());
    if (number.negative && *value <= lowest) {
      return accept(static_cast<T>(static_cast<std::uint64_t>(0) - *value));
    }
  }
  return refuse<T>(fmt::format("must be from {} to {}", std::numeric_limits<T>::lowest(),
                               std::numeric_limits<T>::max()));
}

template <class T>
Parsed<T> parse_real(const Decimal& number) {
  const std::string text = fmt::format("{}e{}", number.digits, number.exponent);
  T magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude);
  const T value = magnitude * static_cast<T>(number.factor);
  if (error != std::errc() || !std::isfinite(value)) {
    return refuse<T>(fmt::format("must have a magnitude from {} to {}",
                                 std::numeric_limits<T>::denorm_min(),
                                 std::numeric_limits<T>::max()));
  }
  return accept(number.negative ? -value : value);
}

bool is_plain(std::string_view text) {
  if (text.empty()) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_safe = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') ||
           std::string_view("_./-+@").find(c) != std::string_view::npos;
  };
  if (!is_letter(text.front()) && text.front() != '_' && text.front() != '/') return false;
  if (!std::all_of(text.begin(), text.end(), is_safe)) return false;
  std::string lower;
  for (const char c : text) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return std::find(kReserved.begin(), kReserved.end(), lower) == kReserved.end();
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {
      quoted += fmt::format("\\x{:02x}", next);  // a C1 control, two bytes of UTF-8
      ++i;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

template <Scalar T>
Parsed<T> parse_scalar(std::string_view text) {
  if constexpr (std::same_as<T, std::string>) {
    if (text.find('\0') != std::string_view::npos) return refuse<T>("must not hold a zero byte");
    return accept(std::string(text));
  } else if constexpr (std::same_as<T, bool>) {
    if (text == "true") return accept(true);
    if (text == "false") return accept(false);
    return refuse<T>("must be true or false");
  } else {
    const auto parsed = parse_decimal(text);
    if (const auto* why = std::get_if<NotDecimal>(&parsed)) {
      if (*why == NotDecimal::leading_zero) return refuse<T>("must not start with a spare 0");
      return refuse<T>(std::integral<T> ? kWholeForm : kRealForm);
    }
    if constexpr (std::integral<T>) {
      return parse_whole<T>(std::get<Decimal>(parsed));
    } else {
      return parse_real<T>(std::get<Decimal>(parsed));
    }
  }
}

template <Scalar T>
std::string print_scalar(const T& value) {
  if constexpr (std::same_as<T, std::string>) {
    return is_plain(value) ? value : quote(value);
  } else {
    return fmt::format("{}", value);
  }
}

template <Scalar T>
std::string_view name_of_type() {
  if constexpr (std::same_as<T, std::string>) {
    return "text";
  } else if constexpr (std::same_as<T, bool>) {
    return "true or false";
  } else {
    return std::integral<T> ? "whole number" : "number";
  }
}

template Parsed<int> parse_scalar<int>(std::string_view);
template Parsed<std::int64_t> parse_scalar<std::int64_t>(std::string_view);
template Parsed<std::uint64_t> parse_scalar<std::uint64_t>(std::string_view);
template Parsed<float> parse_scalar<float>(std::string_view);
template Parsed<double> parse_scalar<double>(std::string_view);
template Parsed<bool> parse_scalar<bool>(std::string_view);
template Parsed<std::string> parse_scalar<std::string>(std::string_view);

template std::string print_scalar<int>(const int&);
template std::string print_scalar<std::int64_t>(const std::int64_t&);
template std::string print_scalar<std::uint64_t>(const std::uint64_t&);
template std::string print_scalar<float>(const float&);
template std::string print_scalar<double>(const double&);
template std::string print_scalar<bool>(const bool&);
template std::string print_scalar<std::string>(const std::string&);

template std::string_view name_of_type<int>();
template std::string_view name_of_type<std::int64_t>();
template std::string_view name_of_type<std::uint64_t>();
template std::string_view name_of_type<float>();
template std::string_view name_of_type<double>();
template std::string_view name_of_type<bool>();
template std::string_view name_of_type<std::string>();

}  // namespace softmoe::config
