#pragma once

// One vector of floats as wide as the target's registers, over GCC's vector extensions, and the
// functions of it that kernels need. Each works lane by lane, so an element gets the same bits in
// every lane and in the padded tail of a row.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace softmoe::ops::cpu {

using Vec = float __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));
using VecBits = std::int32_t __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));
/// As many bytes of doubles: half as many lanes.
using VecD = double __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));
using HalfVec = float __attribute__((vector_size(__BIGGEST_ALIGNMENT__ / 2)));

inline constexpr int kLanes = sizeof(Vec) / sizeof(float);
inline constexpr int kLanesD = sizeof(VecD) / sizeof(double);

/// All lanes of a vector.
struct Full {};
/// Its first `count` lanes; the others are padding that is never stored.
struct Part {
  std::int64_t count;
};

[[nodiscard]] inline Vec all(float value) {
  return value - Vec{};
}

[[nodiscard]] inline Vec load(const float* from, Full) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
/// Pads with `padding`.
[[nodiscard]] inline Vec load(const float* from, Part part, float padding = 0.0F) {
  Vec v = all(padding);
  std::memcpy(&v, from, static_cast<std::size_t>(part.count) * sizeof(float));
  return v;
}
[[nodiscard]] inline Vec load(const float* from, Full full, float /*padding*/) {
  return load(from, full);
}

[[nodiscard]] inline HalfVec load_half(const float* from) {
  HalfVec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline void store(HalfVec v, float* to) {
  std::memcpy(to, &v, sizeof v);
}

[[nodiscard]] inline VecD load_as_double(const float* from) {
  return __builtin_convertvector(load_half(from), VecD);
}

inline void store(Vec v, float* to, Full) {
  std::memcpy(to, &v, sizeof v);
}
inline void store(Vec v, float* to, Part part) {
  std::memcpy(to, &v, static_cast<std::size_t>(part.count) * sizeof(float));
}

/// Calls body(i, Full{}) for every whole vector of [0, n), then body(i, Part{}) for the rest.
template <class Body>
inline void for_vectors(std::int64_t n, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, Full{});
  if (i < n) body(i, Part{n - i});
}

[[nodiscard]] inline Vec max(Vec a, Vec b) {
  return a > b ? a : b;
}

[[nodiscard]] inline Vec sqrt(Vec x) {
  Vec root{};
  for (int lane = 0; lane < kLanes; ++lane) root[lane] = std::sqrt(x[lane]);
  return root;
}

/// Folds the lanes onto one another in a fixed order, halves first.
template <class Fold>
[[nodiscard]] inline float fold_lanes(Vec v, const Fold& fold) {
  VecBits lane_index{};
  for (int lane = 0; lane < kLanes; ++lane) lane_index[lane] = lane;
  for (int width = kLanes / 2; width > 0; width /= 2) {
    v = fold(v, __builtin_shuffle(v, lane_index + width));
  }
  return v[0];
}
[[nodiscard]] inline float sum_lanes(Vec v) {
  return fold_lanes(v, [](Vec a, Vec b) { return a + b; });
}
[[nodiscard]] inline float max_lanes(Vec v) {
  return fold_lanes(v, [](Vec a, Vec b) { return max(a, b); });
}

/// e^x to about 1e-7 relative: x = n ln 2 + r, |r| <= ln 2 / 2, and e^r by a polynomial of degree 6
/// (minimax of the relative error, 3e-9 before rounding). Below -87 it is 0, above 88.37 infinite,
/// so no result is denormal; NaN stays NaN.
[[nodiscard]] inline Vec exp(Vec x) {
  constexpr float kRound = 0x1.8p23F;  // adding it leaves n in the low bits of the sum
  const Vec rounded = x * 1.44269504F + kRound;
  const Vec n = rounded - kRound;
  const Vec r = (x - n * 0.693145752F) - n * 1.42860677e-6F;
  Vec q = r * 1.38146132e-3F + 8.36870982e-3F;
  q = q * r + 4.16683874e-2F;
  q = q * r + 1.66665207e-1F;
  q = q * r + 4.99999935e-1F;
  const Vec power = q * (r * r) + r + 1.0F;
  const VecBits two_to_n = (reinterpret_cast<VecBits>(rounded) + 127) << 23;
  const Vec result = power * reinterpret_cast<Vec>(two_to_n);
  const Vec bounded = x > 88.37F ? all(std::numeric_limits<float>::infinity()) : result;
  return x < -87.0F ? Vec{} : bounded;
}

/// 1 / (1 + e^-x).
[[nodiscard]] inline Vec logistic(Vec x) {
  return 1.0F / (1.0F + exp(-x));
}

}  // namespace softmoe::ops::cpu
