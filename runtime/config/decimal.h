#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace softmoe::config {

/// A number as written: (-1)^negative * digits * 10^exponent * factor, without rounding.
struct Decimal {
  bool negative = false;
  std::string digits;        ///< '0' to '9', at least one
  int exponent = 0;          ///< at most 99,999 either way
  std::uint64_t factor = 1;  ///< of a suffix Ki, Mi, Gi; k, M, G are in the exponent
};

/// Why a text is no decimal number.
enum class NotDecimal { malformed, leading_zero };

[[nodiscard]] std::variant<Decimal, NotDecimal> parse_decimal(std::string_view text);

}  // namespace softmoe::config
