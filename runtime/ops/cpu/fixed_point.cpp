#include "runtime/ops/fixed_point.h"

#include <atomic>
#include <cstring>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/integers.h"

namespace softmoe::ops::cpu {

namespace {

/// target += round(x * scale) of some neighbours. @return how many were at the limit
class FixedAdder {
 public:
  explicit FixedAdder(FixedPoint format) : scale_(format.scale()), limit_(format.limit) {}

  std::int64_t add(const float* from, std::int64_t* to, std::int64_t count) const {
    VecL inside{};
    std::int64_t i = 0;
    for (; i + kLanesD <= count; i += kLanesD) inside += add_lanes(from + i, to + i);
    if (i < count) {
      // The padding of zeros is inside.
      float padded_from[kLanesD] = {};
      std::int64_t padded_to[kLanesD] = {};
      const auto rest = static_cast<std::size_t>(count - i);
      std::memcpy(padded_from, from + i, rest * sizeof(float));
      std::memcpy(padded_to, to + i, rest * sizeof(std::int64_t));
      inside += add_lanes(padded_from, padded_to);
      std::memcpy(to + i, padded_to, rest * sizeof(std::int64_t));
      i += kLanesD;
    }
    // A comparison that holds is -1.
    return i + sum_lanes(inside);
  }

 private:
  [[nodiscard]] VecL add_lanes(const float* from, std::int64_t* to) const {
    const VecD x = load_as_double(from);
    const VecL is_inside = (x < limit_) & (x > -limit_);
    const VecD scaled = is_inside ? x * scale_ : VecD{};
    // Two halves, because only integers below 2^51 can be read off a double's last bits.
    const VecD high = nearest(scaled * 0x1p-32);
    const VecD low = scaled - high * 0x1p32;
    VecL sum;
    std::memcpy(&sum, to, sizeof sum);
    sum += (integer_nearest(high) << 32) + integer_nearest(low);
    std::memcpy(to, &sum, sizeof sum);
    return is_inside;
  }

  double scale_;
  double limit_;
};

}  // namespace

void add_fixed(const AddFixedArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const float* const from = arguments.source.as<float>().data();
    const FixedAdder adder(arguments.format);
    for_blocks(*workers, arguments.target.size(), kBlockElements,
               [&](std::int64_t begin, std::int64_t end) {
                 const std::int64_t outside =
                     adder.add(from + begin, arguments.target.data() + begin, end - begin);
                 if (outside == 0) return;
                 std::atomic_ref(arguments.overflow[0]).fetch_add(outside);
               });
  });
}

void from_fixed(View<const std::int64_t> source, FixedPoint format, TensorView target,
                Stream& stream) {
  stream.run([source, unit = format.unit(), target, workers = &stream.workers()] {
    float* const to = target.as<float>().data();
    for_blocks(*workers, source.size(), kBlockElements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        to[i] = static_cast<float>(static_cast<double>(source[i]) * unit);
    });
  });
}

}  // namespace softmoe::ops::cpu
