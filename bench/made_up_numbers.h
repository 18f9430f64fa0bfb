#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "runtime/base/philox.h"
#include "runtime/device/host_copy.h"

namespace softmoe::bench {

/// Fills device memory with normal numbers times `scale`, a function of (seed, place). They come
/// again after a prime number of places: billions of weights are made up in no time, and no two
/// rows of a matrix are alike. Waits for the device.
template <class T>
void make_up(View<T> target, std::uint64_t seed, double scale, Stream& stream) {
  constexpr std::int64_t kPeriod = 1'048'573;
  std::vector<T> values(static_cast<std::size_t>(target.size()));
  const auto fresh = static_cast<std::size_t>(std::min(kPeriod, target.size()));
  for (std::size_t i = 0; i < fresh; ++i) {
    const auto words = philox({.seed = seed}, i);
    values[i] = static_cast<T>(static_cast<float>(scale * normal_from(words[0], words[1])[0]));
  }
  for (std::size_t i = fresh; i < values.size(); ++i) values[i] = values[i - fresh];
  upload(std::span<const T>(values), target, stream);
  stream.synchronize();
}

}  // namespace softmoe::bench
