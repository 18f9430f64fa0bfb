#include "runtime/ops/rotary.h"

#include <array>
#include <cmath>
#include <numbers>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

using BitsD = std::int64_t __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));

/// Sine and cosine of angles up to 2^31, to 1e-10: a quarter-turn count n and a rest |r| <= pi / 4
/// in f64, since an angle of some thousand radians has few fp32 digits left behind the point.
void turn_of(VecD angle, VecD& sine, VecD& cosine) {
  constexpr double kRound = 0x1.8p52;  // adding it leaves n in the low bits of the sum
  const VecD rounded = angle * (2 / std::numbers::pi) + kRound;
  const VecD n = rounded - kRound;
  const VecD r = (angle - n * (std::numbers::pi / 2)) - n * 6.123233995736766e-17;
  const VecD r2 = r * r;
  // Taylor series; the terms left out are below 1e-11.
  VecD sin_r = r2 * (-1.0 / 39916800) + 1.0 / 362880;
  sin_r = sin_r * r2 - 1.0 / 5040;
  sin_r = sin_r * r2 + 1.0 / 120;
  sin_r = sin_r * r2 - 1.0 / 6;
  sin_r = sin_r * r2 * r + r;
  VecD cos_r = r2 * (1.0 / 479001600) - 1.0 / 3628800;
  cos_r = cos_r * r2 + 1.0 / 40320;
  cos_r = cos_r * r2 - 1.0 / 720;
  cos_r = cos_r * r2 + 1.0 / 24;
  cos_r = cos_r * r2 - 1.0 / 2;
  cos_r = cos_r * r2 + 1.0;
  const BitsD quarter = reinterpret_cast<BitsD>(rounded);
  const VecD sin_turned = (quarter & 1) != 0 ? cos_r : sin_r;
  const VecD cos_turned = (quarter & 1) != 0 ? sin_r : cos_r;
  sine = (quarter & 2) != 0 ? -sin_turned : sin_turned;
  cosine = ((quarter + 1) & 2) != 0 ? -cos_turned : cos_turned;
}

/// Pairs whose angles are worked out together; wider heads take several rounds.
constexpr std::int64_t kMaxPairs = 256;

/// One round: pairs [first_pair, first_pair + num_pairs) of every head.
struct Round {
  RotaryArguments arguments;
  std::int64_t first_pair;
  std::int64_t num_pairs;
  std::array<double, kMaxPairs> frequency{};  ///< radians per position

  Round(const RotaryArguments& rotary, std::int64_t first)
      : arguments(rotary),
        first_pair(first),
        num_pairs(std::min(kMaxPairs, rotary.head_size / 2 - first)) {
    const double sign = arguments.direction == RotaryDirection::forward ? 1 : -1;
    for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
      const auto exponent = -static_cast<double>(2 * (first_pair + pair)) / arguments.head_size;
      frequency[static_cast<std::size_t>(pair)] = sign * std::pow(arguments.theta, exponent);
    }
  }

  /// Turns all heads of a token; its angles are worked out once.
  void turn(std::int64_t token) const {
    std::array<float, kMaxPairs> sine;
    std::array<float, kMaxPairs> cosine;
    const double position = arguments.position_T[token];
    for (std::int64_t pair = 0; pair < num_pairs; pair += kLanesD) {
      VecD angle;
      std::memcpy(&angle, frequency.data() + pair, sizeof angle);
      VecD sines;
      VecD cosines;
      turn_of(angle * position, sines, cosines);
      const HalfVec narrow_sines = __builtin_convertvector(sines, HalfVec);
      const HalfVec narrow_cosines = __builtin_convertvector(cosines, HalfVec);
      std::memcpy(sine.data() + pair, &narrow_sines, sizeof narrow_sines);
      std::memcpy(cosine.data() + pair, &narrow_cosines, sizeof narrow_cosines);
    }
    float* const row = arguments.x.as<float>().data() + token * arguments.x.dim(1) +
                       arguments.first_column + first_pair;
    for (int head = 0; head < arguments.heads; ++head) {
      float* const a = row + std::int64_t{head} * arguments.head_size;
      turn_head(a, a + arguments.head_size / 2, sine.data(), cosine.data());
    }
  }

 private:
  /// Turns pairs (a_i, b_i). Heads are often an odd number of half vectors, hardly ever of less.
  void turn_head(float* a, float* b, const float* sine, const float* cosine) const {
    constexpr std::int64_t kHalf = kLanes / 2;
    std::int64_t i = 0;
    for (; i + kHalf <= num_pairs; i += kHalf) {
      const HalfVec s = load_half(sine + i);
      const HalfVec c = load_half(cosine + i);
      const HalfVec before_a = load_half(a + i);
      const HalfVec before_b = load_half(b + i);
      store(before_a * c - before_b * s, a + i);
      store(before_a * s + before_b * c, b + i);
    }
    for_vectors(num_pairs - i, [&](std::int64_t offset, auto lanes) {
      const std::int64_t at = i + offset;
      const Vec s = load(sine + at, lanes);
      const Vec c = load(cosine + at, lanes);
      const Vec before_a = load(a + at, lanes);
      const Vec before_b = load(b + at, lanes);
      store(before_a * c - before_b * s, a + at, lanes);
      store(before_a * s + before_b * c, b + at, lanes);
    });
  }
};

}  // namespace

void rotary(const RotaryArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    for (std::int64_t pair = 0; pair < arguments.head_size / 2; pair += kMaxPairs) {
      const Round round(arguments, pair);
      for_row_blocks(*workers, arguments.x.dim(0), 2 * round.num_pairs * arguments.heads,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t token = begin; token < end; ++token) round.turn(token);
                     });
    }
  });
}

}  // namespace softmoe::ops::cpu
