#include "runtime/ops/exact_sum.h"

#include <array>
#include <limits>

#include "runtime/ops/exact_limbs.h"

namespace softmoe::ops::reference {

namespace {

/// The value of a sum. Its magnitude is put together from the top, so a small negative number does
/// not come as a difference of large ones.
double value_of(const std::int64_t* sum_5) {
  if (sum_5[kLimbs] != 0) return std::numeric_limits<double>::quiet_NaN();
  std::array<std::int64_t, kExactIntegers> limbs{};
  std::copy_n(sum_5, kLimbs, limbs.begin());
  carry(limbs.data());
  const bool is_negative = limbs[kLimbs - 1] < 0;
  if (is_negative) {
    for (std::int64_t& limb : limbs) limb = -limb;
    carry(limbs.data());
  }
  double value = 0;
  for (int limb = kLimbs - 1; limb >= 0; --limb) {
    value +=
        std::ldexp(static_cast<double>(limbs[static_cast<std::size_t>(limb)]), 32 * (limb - 2));
  }
  return is_negative ? -value : value;
}

}  // namespace

void exact_add(View<const double> x_N, View<std::int64_t> sums_N5, Stream& stream) {
  stream.run([x_N, sums_N5] {
    for (std::int64_t n = 0; n < x_N.size(); ++n)
      add_exactly(x_N[n], sums_N5.data() + n * kExactIntegers);
  });
}

void exact_add_squares(ConstTensorView x, View<std::int64_t> sum_5, Stream& stream) {
  stream.run([x, sum_5] {
    visit_float(x.dtype(), [&]<class T>() {
      const auto numbers = x.as<T>();
      for (std::int64_t i = 0; i < numbers.size(); ++i) {
        const double number = static_cast<double>(numbers[i]);
        add_exactly(number * number, sum_5.data());
      }
      carry(sum_5.data());
    });
  });
}

void exact_value(View<const std::int64_t> sums_N5, View<double> x_N, Stream& stream) {
  stream.run([sums_N5, x_N] {
    for (std::int64_t n = 0; n < x_N.size(); ++n)
      x_N[n] = value_of(sums_N5.data() + n * kExactIntegers);
  });
}

}  // namespace softmoe::ops::reference
