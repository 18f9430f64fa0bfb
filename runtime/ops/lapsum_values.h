#pragma once

// The unit Laplace distribution and the number that stores one of its probabilities.

#include <cmath>

namespace softmoe::ops {

/// F(u) = e^u / 2 for u <= 0, 1 - e^-u / 2 above.
[[nodiscard]] inline double laplace_cdf(double u) {
  const double tail = 0.5 * std::exp(-std::abs(u));
  return u <= 0 ? tail : 1 - tail;
}

/// The inverse of laplace_cdf. @param p in (0, 1)
[[nodiscard]] inline double laplace_quantile(double p) {
  return p <= 0.5 ? std::log(2 * p) : -std::log(2 * (1 - p));
}

/// A probability p as f = min(p, 1 - p) with the side in the sign: minus where p <= 1/2. Both p and
/// 1 - p are then known to full relative precision, and -0 and +0 still tell p = 0 from p = 1.
template <class T>
[[nodiscard]] T signed_f_of(T f, bool at_most_half) {
  return at_most_half ? -f : f;
}

/// p of a signed f.
template <class T>
[[nodiscard]] T probability_of(T signed_f) {
  return std::signbit(signed_f) ? -signed_f : 1 - signed_f;
}

}  // namespace softmoe::ops
