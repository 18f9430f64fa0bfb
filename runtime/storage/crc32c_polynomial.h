#pragma once

// Polynomials over GF(2) modulo the CRC32C polynomial, reflected: bit 31 is the coefficient of x^0.
// Appending n bytes to a message multiplies its remainder by x^(8n).

#include <cstdint>

namespace softmoe::storage::crc_polynomial {

inline constexpr std::uint32_t kCastagnoli = 0x82F63B78U;
inline constexpr std::uint32_t kOne = 0x80000000U;

[[nodiscard]] constexpr std::uint32_t times_x(std::uint32_t a) {
  return (a >> 1) ^ (kCastagnoli & (0U - (a & 1U)));
}

[[nodiscard]] constexpr std::uint32_t times(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    product ^= b & (0U - (a >> 31));
    b = times_x(b);
  }
  return product;
}

/// x^(8 bytes), by repeated squaring.
[[nodiscard]] constexpr std::uint32_t x_to_the_bytes(std::uint64_t bytes) {
  std::uint32_t power = kOne;
  std::uint32_t square = kOne >> 8;
  for (; bytes != 0; bytes >>= 1) {
    if ((bytes & 1U) != 0) power = times(square, power);
    square = times(square, square);
  }
  return power;
}

}  // namespace softmoe::storage::crc_polynomial
