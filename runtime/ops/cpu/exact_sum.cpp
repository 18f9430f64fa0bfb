#include "runtime/ops/exact_sum.h"

#include <array>
#include <atomic>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/integers.h"
#include "runtime/ops/exact_limbs.h"

namespace softmoe::ops::cpu {

namespace {

using Sum = std::array<std::int64_t, kExactIntegers>;

/// The squares of some neighbours, with carries.
Sum squares_of(const float* x, std::int64_t count) {
  std::array<VecL, kLimbs> limbs{};
  VecL inside{};
  std::int64_t i = 0;
  for (; i + kLanesD <= count; i += kLanesD) {
    const VecD number = load_as_double(x + i);
    const VecD square = number * number;
    const VecL is_inside = square < kExactLimit;
    inside += is_inside;
    VecD rest = is_inside ? square * (1 / kLimbBase) : VecD{};
    for (std::size_t limb = kLimbs; limb-- > 0;) {
      const VecD whole = nearest(rest);
      limbs[limb] += integer_nearest(whole);
      rest = (rest - whole) * kLimbBase;
    }
  }
  Sum sum{};
  for (std::size_t limb = 0; limb < kLimbs; ++limb) sum[limb] = sum_lanes(limbs[limb]);
  sum[kLimbs] = i + sum_lanes(inside);  // a comparison that holds is -1
  for (; i < count; ++i) add_exactly(double{x[i]} * double{x[i]}, sum.data());
  carry(sum.data());
  return sum;
}

}  // namespace

void exact_add_squares(ConstTensorView x, View<std::int64_t> sum_5, Stream& stream) {
  stream.run([x, sum_5, workers = &stream.workers()] {
    const float* const numbers = x.as<float>().data();
    for_blocks(*workers, x.elements(), kBlockElements, [&](std::int64_t begin, std::int64_t end) {
      const Sum sum = squares_of(numbers + begin, end - begin);
      for (int i = 0; i < kExactIntegers; ++i)
        std::atomic_ref(sum_5[i]).fetch_add(sum[static_cast<std::size_t>(i)]);
    });
  });
}

}  // namespace softmoe::ops::cpu
