#pragma once

// Numbers, truth values and text: how they are read and how they are written.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace softmoe::config {

template <class T>
concept Number = std::same_as<T, int> || std::same_as<T, std::int64_t> ||
    std::same_as<T, std::uint64_t> || std::same_as<T, float> || std::same_as<T, double>;

template <class T>
concept Scalar = Number<T> || std::same_as<T, bool> || std::same_as<T, std::string>;

/// A value, or what it must be instead ("must be true or false").
template <class T>
struct Parsed {
  std::optional<T> value;
  std::string must;
};

/// Reads a plain scalar.
///
/// Numbers are decimal: 12, -3, 1_000, 1e6, 2.5M, with k, M, G (powers of 1000) or Ki, Mi, Gi
/// (powers of 1024). Nothing starts with 0x or a spare 0; a whole number may be written 1e6 or 1.5k
/// as long as it is whole, and is read exactly. Reals are finite. Truth is `true` or `false`,
/// nothing else.
template <Scalar T>
[[nodiscard]] Parsed<T> parse_scalar(std::string_view text);

/// Text that parse_scalar reads back to the same value, as YAML: text is quoted where another
/// reader of YAML could take it for something else, and stays on one line.
template <Scalar T>
[[nodiscard]] std::string print_scalar(const T& value);

/// "whole number", "number", "true or false" or "text".
template <Scalar T>
[[nodiscard]] std::string_view name_of_type();

}  // namespace softmoe::config
