#include "runtime/storage/crc32c.h"

#include <array>

#include "runtime/storage/crc32c_polynomial.h"

namespace softmoe::storage {
namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][v]: the remainder of byte v followed by k zero bytes (slicing by eight).
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t value = 0; value < 256; ++value) {
    std::uint32_t remainder = value;
    for (int bit = 0; bit < 8; ++bit) remainder = crc_polynomial::times_x(remainder);
    tables[0][value] = remainder;
  }
  for (std::size_t value = 0; value < 256; ++value) {
    for (std::size_t k = 1; k < 8; ++k) {
      const std::uint32_t shorter = tables[k - 1][value];
      tables[k][value] = (shorter >> 8) ^ tables[0][shorter & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t word_at(const std::byte* bytes) {
  return std::to_integer<std::uint32_t>(bytes[0]) | std::to_integer<std::uint32_t>(bytes[1]) << 8 |
         std::to_integer<std::uint32_t>(bytes[2]) << 16 |
         std::to_integer<std::uint32_t>(bytes[3]) << 24;
}

}  // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t previous) {
  std::uint32_t remainder = ~previous;
  while (bytes.size() >= 8) {
    const std::uint32_t low = remainder ^ word_at(bytes.data());
    const std::uint32_t high = word_at(bytes.data() + 4);
    remainder = 0;
    for (unsigned k = 0; k < 4; ++k) {
      remainder ^= kTables[7 - k][(low >> (8 * k)) & 0xFF];
      remainder ^= kTables[3 - k][(high >> (8 * k)) & 0xFF];
    }
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) {
    remainder =
        (remainder >> 8) ^ kTables[0][(remainder ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  }
  return ~remainder;
}

std::uint32_t crc32c_of_joined(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t bytes_b) {
  return crc_polynomial::times(crc_polynomial::x_to_the_bytes(bytes_b), crc_a) ^ crc_b;
}

}  // namespace softmoe::storage
