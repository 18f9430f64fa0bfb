#pragma once

// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011).
// A number is a pure function of what it is for, so no generator state is ever kept or saved and
// the same token gets the same number on any rank.

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace softmoe {

/// What a stream of random numbers is for. Values are part of the reproducibility contract:
/// append, never renumber.
enum class RandomPurpose : std::uint32_t {
  parameter_init = 1,
  data_order = 2,
  gate_noise = 3,
  sampling = 4,
  test = 5,
  hash_routing = 6,
};

/// Names one block of four random words.
struct RandomKey {
  std::uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::test;
  std::uint32_t step = 0;
  std::uint32_t layer = 0;
};

/// Four independent uniform 32-bit words for (key, index, block).
/// @param index  what the number belongs to: a global token id, an element of a parameter.
/// @param block  which four words of that index, below 2^12.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(const RandomKey& key,
                                                            std::uint64_t index,
                                                            std::uint32_t block = 0) {
  std::array<std::uint32_t, 4> counter = {
      static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
      (static_cast<std::uint32_t>(key.purpose) << 24) ^ (key.layer << 12) ^ block, key.step};
  std::uint32_t key0 = static_cast<std::uint32_t>(key.seed);
  std::uint32_t key1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = 0xD2511F53ULL * counter[0];
    const std::uint64_t product1 = 0xCD9E8D57ULL * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0,
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1,
               static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

/// A uniform double in [0, 1), from one word.
[[nodiscard]] constexpr double uniform_from(std::uint32_t word) {
  return word * 0x1p-32;
}

/// Two independent standard normal numbers from two words (Box-Muller).
[[nodiscard]] inline std::array<double, 2> normal_from(std::uint32_t word0, std::uint32_t word1) {
  const double radius = std::sqrt(-2.0 * std::log((word0 + 0.5) * 0x1p-32));
  const double angle = 2.0 * std::numbers::pi * uniform_from(word1);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace softmoe
