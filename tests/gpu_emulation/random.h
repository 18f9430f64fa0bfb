#pragma once

#include <cstdint>

namespace softmoe::gpu_emulation {

/// Where the emulated orders come from: SplitMix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  [[nodiscard]] std::uint64_t draw() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// A number in [0, count), count in [1, 2^32).
  [[nodiscard]] std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>(((draw() >> 32) * count) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace softmoe::gpu_emulation
