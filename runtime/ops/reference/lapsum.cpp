#include "runtime/ops/lapsum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/ops/lapsum_values.h"
#include "runtime/ops/route_order.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

namespace {

// k as a whole number and a rest in [-1/2, 1/2]: k - m and C - k then keep their digits in f32,
// also where k is near C.
template <class T>
struct Mass {
  std::int64_t whole;
  T rest;

  Mass(double k, std::int64_t columns) {
    const double clamped = std::clamp(k, 1e-6, static_cast<double>(columns) - 1e-6);
    whole = std::llround(clamped);
    rest = static_cast<T>(clamped - static_cast<double>(whole));
  }
  [[nodiscard]] T minus(std::int64_t m) const { return static_cast<T>(whole - m) + rest; }
};

template <class T>
struct Anchor {
  T score;
  T delta;  // (score - b) / alpha
};

// Where b lies between two neighbouring scores z_hi >= z_lo (units of alpha, gap = z_hi - z_lo).
// U = sum over scores above of e^(z_hi - z_i), V = sum below of e^(z_i - z_lo), d = k - number
// above:
//
//     V e^-s - U e^-t = 2 d,   s = b - z_lo,   t = z_hi - b,   s + t = gap.
//
// With c = sqrt(U V) e^(-gap/2) the distance to the end that b leans to (z_lo for d > 0, else z_hi)
// is log(V or U) - log(|d| + sqrt(d^2 + c^2)). The last log is log c + asinh(|d| / c), which forms
// neither e^(gap/2) nor e^-gap: a wide gap with d = 0 survives.
template <class T>
T distance_from_end(T gap, T u_sum, T v_sum, T d) {
  const T log_c = (std::log(u_sum) + std::log(v_sum)) / 2 - gap / 2;
  T log_root = log_c;
  if (d != 0) {
    const T log_ratio = std::log(std::abs(d)) - log_c;
    log_root = log_ratio > 20 ? std::log(2 * std::abs(d)) : log_c + std::asinh(std::exp(log_ratio));
  }
  return (d > 0 ? std::log(v_sum) : std::log(u_sum)) - log_root;
}

// One row. `order` holds the columns by falling score.
template <class T>
class SortedRow {
 public:
  SortedRow(const T* scores, View<const std::int32_t> order, T alpha)
      : scores_(scores), order_(order), alpha_(alpha) {}

  [[nodiscard]] Anchor<T> solve(const Mass<T>& k, View<T> above_sum, View<T> below_sum) const {
    const std::int64_t num_above = count_above(k, above_sum, below_sum);
    // The recursions only locate the interval: their error grows with C, so U and V are summed
    // afresh.
    const T u_sum = sum_above(num_above);
    const T v_sum = sum_below(num_above);
    const T d = k.minus(num_above);
    if (num_above == 0) return {score(0), -(std::log(v_sum) - std::log(2 * d))};
    if (num_above == size()) return {score(size() - 1), std::log(u_sum) - std::log(-2 * d)};
    const T gap = (score(num_above - 1) - score(num_above)) / alpha_;
    const T distance = distance_from_end(gap, u_sum, v_sum, d);
    return d > 0 ? Anchor<T>{score(num_above), -distance}
                 : Anchor<T>{score(num_above - 1), distance};
  }

 private:
  [[nodiscard]] std::int64_t size() const { return order_.size(); }
  [[nodiscard]] T score(std::int64_t place) const { return scores_[order_[place]]; }
  [[nodiscard]] T decay(std::int64_t place) const {
    return std::exp((score(place + 1) - score(place)) / alpha_);
  }

  // How many scores lie above b: those at which the sum, S(z_m) = m - 1/2 + (B_m - A_m) / 2, is at
  // most k. A and B are sums of e^-distance over the scores on either side.
  [[nodiscard]] std::int64_t count_above(const Mass<T>& k, View<T> above_sum,
                                         View<T> below_sum) const {
    above_sum[0] = 1;
    for (std::int64_t m = 1; m < size(); ++m) above_sum[m] = 1 + above_sum[m - 1] * decay(m - 1);
    below_sum[size() - 1] = 1;
    for (std::int64_t m = size() - 2; m >= 0; --m) below_sum[m] = 1 + below_sum[m + 1] * decay(m);
    std::int64_t count = 0;
    while (count < size() && T(0.5) + (below_sum[count] - above_sum[count]) / 2 <= k.minus(count)) {
      ++count;
    }
    return count;
  }
  [[nodiscard]] T sum_above(std::int64_t num_above) const {
    T sum = 0;
    for (std::int64_t i = 0; i < num_above; ++i) {
      sum += std::exp((score(num_above - 1) - score(i)) / alpha_);
    }
    return sum;
  }
  [[nodiscard]] T sum_below(std::int64_t num_above) const {
    T sum = 0;
    for (std::int64_t i = num_above; i < size(); ++i) {
      sum += std::exp((score(i) - score(num_above)) / alpha_);
    }
    return sum;
  }

  const T* scores_;
  View<const std::int32_t> order_;
  T alpha_;
};

template <class T>
struct SortScratch {
  View<std::int32_t> order;
  View<T> above_sum;
  View<T> below_sum;
};

template <class T>
void lapsum_rows(const LapsumArguments& arguments, const SortScratch<T>& room) {
  const std::int64_t columns = arguments.scores_RC.dim(1);
  const T alpha = static_cast<T>(arguments.alpha);
  const Mass<T> k(arguments.k, columns);
  for (std::int64_t row = 0; row < arguments.scores_RC.dim(0); ++row) {
    const T* scores = arguments.scores_RC.as<T>().data() + row * columns;
    std::iota(room.order.data(), room.order.data() + columns, 0);
    std::sort(room.order.data(), room.order.data() + columns,
              [scores](std::int32_t a, std::int32_t b) { return ranks_before(scores, a, b); });
    const Anchor<T> anchor =
        SortedRow<T>(scores, room.order, alpha).solve(k, room.above_sum, room.below_sum);
    T* signed_f = arguments.signed_f_RC.as<T>().data() + row * columns;
    for (std::int64_t i = 0; i < columns; ++i) {
      const T u = (scores[i] - anchor.score) / alpha + anchor.delta;
      signed_f[i] = signed_f_of(std::exp(-std::abs(u)) / 2, u <= 0);
    }
    arguments.anchor_R2.as<T>()[2 * row] = anchor.score;
    arguments.anchor_R2.as<T>()[2 * row + 1] = anchor.delta;
  }
}

template <class T>
void lapsum_vjp_rows(const LapsumVjpArguments& arguments) {
  const std::int64_t columns = arguments.d_p_RC.dim(1);
  const T alpha = static_cast<T>(arguments.forward.alpha);
  double d_k = 0;
  double d_alpha = 0;
  for (std::int64_t row = 0; row < arguments.d_p_RC.dim(0); ++row) {
    const T* scores = arguments.forward.scores_RC.as<T>().data() + row * columns;
    const T* signed_f = arguments.forward.signed_f_RC.as<T>().data() + row * columns;
    const T anchor = arguments.forward.anchor_R2.as<T>()[2 * row];
    const T delta = arguments.forward.anchor_R2.as<T>()[2 * row + 1];
    const auto u_at = [&](std::int64_t i) { return (scores[i] - anchor) / alpha + delta; };
    const T* v = arguments.d_p_RC.as<T>().data() + row * columns;

    // q is the softmax of -|u|, shifted so that it survives where f itself underflows.
    T least = std::numeric_limits<T>::infinity();
    for (std::int64_t i = 0; i < columns; ++i) least = std::min(least, std::abs(u_at(i)));
    T weight = 0;
    T mean_v = 0;
    T mean_u = 0;
    for (std::int64_t i = 0; i < columns; ++i) {
      const T share = std::exp(least - std::abs(u_at(i)));
      weight += share;
      mean_v += share * v[i];
      mean_u += share * u_at(i);
    }
    mean_v /= weight;
    mean_u /= weight;

    T* d_scores = arguments.d_scores_RC.as<T>().data() + row * columns;
    T d_alpha_row = 0;
    for (std::int64_t i = 0; i < columns; ++i) {
      const T f = std::abs(signed_f[i]);
      if (f > 0) d_alpha_row -= f / alpha * v[i] * (u_at(i) - mean_u);
      d_scores[i] = f / alpha * (v[i] - mean_v);
    }
    d_k += mean_v;
    d_alpha += d_alpha_row;
  }
  arguments.d_k[0] += d_k;
  if (!arguments.d_alpha.empty()) arguments.d_alpha[0] += d_alpha;
}

}  // namespace

void lapsum(const LapsumArguments& arguments, Arena& scratch, Stream& stream) {
  visit_score(arguments.scores_RC.dtype(), [&]<class T>() {
    const ArenaScope scope(scratch);
    const std::int64_t columns = arguments.scores_RC.dim(1);
    const SortScratch<T> room{.order = scratch.push<std::int32_t>(columns),
                              .above_sum = scratch.push<T>(columns),
                              .below_sum = scratch.push<T>(columns)};
    stream.run([arguments, room] { lapsum_rows<T>(arguments, room); });
  });
}

void lapsum_vjp(const LapsumVjpArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  visit_score(arguments.d_p_RC.dtype(),
              [&]<class T>() { stream.run([arguments] { lapsum_vjp_rows<T>(arguments); }); });
}

}  // namespace softmoe::ops::reference
