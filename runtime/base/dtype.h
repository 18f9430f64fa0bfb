#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "runtime/base/errors.h"

namespace softmoe {

/// Storage type bfloat16: the upper half of an fp32. Arithmetic happens in float. Its conversions
/// are constexpr, so that kernels of an accelerator use the very same code.
struct Bf16 {
  std::uint16_t bits = 0;

  Bf16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  constexpr explicit Bf16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = word + 0x7fffU + ((word >> 16) & 1U);
    bits = static_cast<std::uint16_t>(is_nan ? (word >> 16) | 0x40U : rounded >> 16);
  }
  constexpr explicit Bf16(double value) : Bf16(static_cast<float>(value)) {}
  constexpr operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

/// Type of the elements of a tensor.
enum class DType : std::uint8_t { f64, f32, bf16, i64, i32, u16 };

[[nodiscard]] constexpr std::int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
    case DType::u16:
      return 2;
  }
  return 0;
}

/// The type of scales, scores and moments beside numbers stored as `dtype`: f64 beside f64, else
/// f32.
[[nodiscard]] constexpr DType compute_type_of(DType dtype) {
  return dtype == DType::f64 ? DType::f64 : DType::f32;
}

[[nodiscard]] constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "f64";
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::i64:
      return "i64";
    case DType::i32:
      return "i32";
    case DType::u16:
      return "u16";
  }
  return "?";
}

template <class T>
inline constexpr DType dtype_of = [] {
  if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, Bf16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::i32;
  else {
    static_assert(std::is_same_v<T, std::uint16_t>, "not the element type of a tensor");
    return DType::u16;
  }
}();

/// Calls `visitor.template operator()<T>()` with the floating storage type of `dtype`, so that a
/// kernel is written once for f64, f32 and bf16.
/// @throws InvalidArgument for an integer type.
template <class Visitor>
decltype(auto) visit_float(DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case DType::f64:
      return visitor.template operator()<double>();
    case DType::f32:
      return visitor.template operator()<float>();
    case DType::bf16:
      return visitor.template operator()<Bf16>();
    default:
      throw InvalidArgument("this operation wants f64, f32 or bf16, got " +
                            std::string(name_of(dtype)));
  }
}

/// The type in which a storage type is computed: double for f64, float for f32 and bf16.
template <class T>
using ComputeOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

}  // namespace softmoe
