// crc32c() by the instruction of SSE 4.2.

#include <nmmintrin.h>

#include <cstring>

#include "runtime/storage/crc32c.h"
#include "runtime/storage/crc32c_polynomial.h"

namespace softmoe::storage {
namespace {

// The instruction starts every cycle and takes three, so three independent runs keep it busy. They
// are long, because joining them costs two polynomial products.
constexpr std::size_t kRunBytes = 8192;
constexpr std::uint32_t kPastOneRun = crc_polynomial::x_to_the_bytes(kRunBytes);
constexpr std::uint32_t kPastTwoRuns = crc_polynomial::x_to_the_bytes(2 * kRunBytes);

std::uint64_t word_at(const std::byte* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

std::uint32_t three_runs(const std::byte* bytes, std::uint32_t remainder) {
  std::uint64_t first = remainder;
  std::uint64_t second = 0;
  std::uint64_t third = 0;
  for (std::size_t i = 0; i < kRunBytes; i += 8) {
    first = _mm_crc32_u64(first, word_at(bytes + i));
    second = _mm_crc32_u64(second, word_at(bytes + kRunBytes + i));
    third = _mm_crc32_u64(third, word_at(bytes + 2 * kRunBytes + i));
  }
  return crc_polynomial::times(kPastTwoRuns, static_cast<std::uint32_t>(first)) ^
         crc_polynomial::times(kPastOneRun, static_cast<std::uint32_t>(second)) ^
         static_cast<std::uint32_t>(third);
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous) {
  std::uint32_t remainder = ~previous;
  for (; bytes.size() >= 3 * kRunBytes; bytes = bytes.subspan(3 * kRunBytes)) {
    remainder = three_runs(bytes.data(), remainder);
  }
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    remainder = static_cast<std::uint32_t>(_mm_crc32_u64(remainder, word_at(bytes.data())));
  }
  for (const std::byte byte : bytes) {
    remainder = _mm_crc32_u8(remainder, std::to_integer<std::uint8_t>(byte));
  }
  return ~remainder;
}

}  // namespace softmoe::storage
