#include "model/gradient_format.h"

#include <bit>

#include "runtime/base/errors.h"

namespace softmoe::model {

namespace {

/// The least n with 2^n >= count.
int ceil_log2(std::int64_t count) {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(count) - 1));
}

}  // namespace

FixedPoint gradient_format(std::int64_t step_tokens, std::int64_t lanes) {
  require(step_tokens >= 1 && lanes >= 1, "gradients are of at least one lane and one token");
  constexpr int kPlaceOfMean = 52;
  // A lane adds twice to an embedding that is the output's table too, else once.
  constexpr std::int64_t kContributionsOfLane = 2;
  const int bits = kPlaceOfMean - ceil_log2(step_tokens);
  return {.bits = bits,
          .limit = std::ldexp(1.0, 62 - bits - ceil_log2(kContributionsOfLane * lanes))};
}

}  // namespace softmoe::model
