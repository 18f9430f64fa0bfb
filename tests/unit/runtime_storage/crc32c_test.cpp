#include "runtime/storage/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "runtime/storage/file_system.h"

namespace softmoe::storage {
namespace {

std::vector<std::byte> random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(generator());
  return bytes;
}

std::vector<std::byte> rising_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

TEST(Crc32c, GivesTheKnownAnswersOfRfc3720) {
  const std::vector<std::byte> zeros(32, std::byte{0x00});
  const std::vector<std::byte> ones(32, std::byte{0xFF});
  const std::vector<std::byte> rising = rising_bytes(32);
  const std::vector<std::byte> falling(rising.rbegin(), rising.rend());

  EXPECT_EQ(crc32c(zeros), 0x8A9136AAU);
  EXPECT_EQ(crc32c(ones), 0x62A8AB43U);
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  EXPECT_EQ(crc32c(falling), 0x113FDB5CU);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283U);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, IsTheSameByTableForAllLengthsAndAlignments) {
  const std::vector<std::byte> bytes = random_bytes(60'000, 1);

  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (const std::size_t size : {0UL, 1UL, 7UL, 8UL, 9UL, 63UL, 24'575UL, 24'576UL, 50'001UL}) {
      const auto part = std::span(bytes).subspan(begin, size);

      EXPECT_EQ(crc32c(part), crc32c_by_table(part)) << "begin " << begin << " size " << size;
    }
  }
}

TEST(Crc32c, GoesOnFromAnEarlierPart) {
  const std::vector<std::byte> bytes = random_bytes(40'000, 2);
  const std::uint32_t whole = crc32c(bytes);

  for (const std::size_t cut : {0UL, 1UL, 8UL, 30'001UL, 40'000UL}) {
    const auto front = std::span(bytes).first(cut);
    const auto back = std::span(bytes).subspan(cut);

    EXPECT_EQ(crc32c(back, crc32c(front)), whole) << cut;
    EXPECT_EQ(crc32c_by_table(back, crc32c_by_table(front)), whole) << cut;
  }
}

TEST(Crc32c, OfJoinedPartsComesFromTheirChecksums) {
  const std::vector<std::byte> bytes = random_bytes(10'000, 3);
  const std::uint32_t whole = crc32c(bytes);

  for (const std::size_t cut : {0UL, 1UL, 4'096UL, 9'999UL, 10'000UL}) {
    const auto front = std::span(bytes).first(cut);
    const auto back = std::span(bytes).subspan(cut);

    EXPECT_EQ(crc32c_of_joined(crc32c(front), crc32c(back), back.size()), whole) << cut;
  }
}

TEST(Crc32c, ChangesWithEverySingleBit) {
  std::vector<std::byte> bytes = random_bytes(100, 4);
  const std::uint32_t whole = crc32c(bytes);

  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    bytes[bit / 8] ^= mask;

    EXPECT_NE(crc32c(bytes), whole) << "bit " << bit;

    bytes[bit / 8] ^= mask;
  }
}

}  // namespace
}  // namespace softmoe::storage
