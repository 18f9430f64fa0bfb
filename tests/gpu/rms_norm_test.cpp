#include "runtime/ops/rms_norm.h"

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::for_each_storage;
using test::garbage;
using test::Guarded;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;

enum class Target { apart, in_place };

struct NormCase {
  std::int64_t rows;
  std::int64_t hidden;
  std::int64_t shift = 0;
  Target target = Target::apart;
  double beta = 1.0;
};

std::vector<NormCase> norm_cases() {
  std::vector<NormCase> cases;
  for (const std::int64_t hidden : {1, 3, 7, 8, 33, 100, 1000}) {
    for (const std::int64_t rows : {0, 1, 5}) {
      cases.push_back({rows, hidden});
      cases.push_back({rows, hidden, 1, Target::in_place, 0.0});
    }
  }
  // More rows than a block has lanes for, several blocks of columns; a row for all threads.
  cases.push_back({700, 40});
  cases.push_back({130, 256, 0, Target::in_place, 0.0});
  cases.push_back({3, 2100, 0, Target::in_place, 0.5});
  return cases;
}

testing::Message name_of(const NormCase& c) {
  return testing::Message() << c.rows << " rows of " << c.hidden << ", shifted " << c.shift;
}

/// The second row is nearly zero: there epsilon decides.
template <class T>
std::vector<T> inputs(const NormCase& c) {
  std::vector<T> numbers = normal_numbers<T>(c.rows * c.hidden, 1);
  for (std::int64_t i = c.hidden; i < std::min(2 * c.hidden, c.rows * c.hidden); ++i) {
    numbers[static_cast<std::size_t>(i)] = static_cast<T>(1e-6F);
  }
  return numbers;
}

constexpr double kEpsilon = 1e-5;

template <class T>
struct Normalised {
  std::vector<T> y;
  std::vector<float> scale;
};

template <class T>
Normalised<T> forward(OnDevice& device, const NormCase& c) {
  const Shape shape{c.rows, c.hidden};
  const Guarded<T> x(device, inputs<T>(c), shape, c.shift);
  const Guarded<T> apart(device, garbage<T>(c.rows * c.hidden), shape, c.shift);
  const Guarded<T>& y = c.target == Target::in_place ? x : apart;
  const Guarded<T> gain(device, normal_numbers<T>(c.hidden, 2), {c.hidden}, c.shift);
  const Guarded<float> scale(device, garbage<float>(c.rows), {c.rows});
  rms_norm(x.tensor(), gain.tensor(), kEpsilon, y.tensor(), scale.tensor(), device.stream);
  return {.y = y.download(), .scale = scale.download()};
}

template <class T>
struct Gradients {
  std::vector<T> d_x;
  std::vector<T> d_gain;
};

template <class T>
Gradients<T> backward(OnDevice& device, const NormCase& c) {
  const Shape shape{c.rows, c.hidden};
  const Guarded<T> x(device, normal_numbers<T>(c.rows * c.hidden, 1), shape, c.shift);
  const Guarded<T> d_y(device, normal_numbers<T>(c.rows * c.hidden, 3), shape, c.shift);
  const Guarded<T> d_x(device, normal_numbers<T>(c.rows * c.hidden, 4), shape, c.shift);
  const Guarded<T> gain(device, normal_numbers<T>(c.hidden, 2), {c.hidden}, c.shift);
  // Memory that a beta of 0 must not even look at.
  const Guarded<T> d_gain(device,
                          c.beta == 0 ? garbage<T>(c.hidden) : normal_numbers<T>(c.hidden, 5),
                          {c.hidden}, c.shift);
  std::vector<float> scale;
  for (std::int64_t row = 0; row < c.rows; ++row) {
    scale.push_back(0.5F + 0.25F * static_cast<float>(row % 4));
  }
  rms_norm_backward({.d_y_TH = d_y.tensor(),
                     .x_TH = x.tensor(),
                     .gain_H = gain.tensor(),
                     .scale_T = device.upload(scale, {c.rows}),
                     .d_x_TH = d_x.tensor(),
                     .d_gain_H = d_gain.tensor(),
                     .beta = c.beta},
                    device.stream);
  return {.d_x = d_x.download(), .d_gain = d_gain.download()};
}

TEST(RmsNormOnGpu, IsTheSpecification) {
  OnBoth both;
  for (const NormCase& c : norm_cases()) {
    SCOPED_TRACE(name_of(c));
    both.expect_near([&](OnDevice& device) { return forward<float>(device, c).y; },
                     test::kF32Rounding);
    both.expect_within([&](OnDevice& device) { return forward<Bf16>(device, c).y; },
                       test::kRoundedOnce);
  }
}

TEST(RmsNormOnGpu, KeepsTheScaleInFullPrecision) {
  OnBoth both;
  for (const NormCase& c : norm_cases()) {
    SCOPED_TRACE(name_of(c));
    for_each_storage([&]<class T>() {
      both.expect_near([&](OnDevice& device) { return forward<T>(device, c).scale; },
                       test::kF32Rounding);
    });
  }
}

TEST(RmsNormOnGpu, GradientOfTheInputIsTheSpecification) {
  OnBoth both;
  for (const NormCase& c : norm_cases()) {
    SCOPED_TRACE(name_of(c));
    both.expect_near([&](OnDevice& device) { return backward<float>(device, c).d_x; },
                     test::kF32LongSums);
    both.expect_within([&](OnDevice& device) { return backward<Bf16>(device, c).d_x; },
                       test::kRoundedOnce);
  }
}

TEST(RmsNormOnGpu, GradientOfTheGainIsTheSpecification) {
  OnBoth both;
  for (const NormCase& c : norm_cases()) {
    SCOPED_TRACE(name_of(c));
    both.expect_near([&](OnDevice& device) { return backward<float>(device, c).d_gain; },
                     test::kF32LongSums);
    both.expect_within([&](OnDevice& device) { return backward<Bf16>(device, c).d_gain; },
                       test::kRoundedOnce);
  }
}

TEST(RmsNormOnGpu, AGivenRowHasTheSameBitsWhereverItLies) {
  // Aligned or not: the same threads sum the same elements.
  OnDevice gpu(Backend::cuda);
  for_each_storage([&]<class T>() {
    for (const std::int64_t hidden : {8, 33, 1000}) {
      const ArenaScope scope(gpu.saved);
      const NormCase aligned{.rows = 5, .hidden = hidden, .shift = 0};
      const NormCase shifted{.rows = 5, .hidden = hidden, .shift = 1};

      EXPECT_TRUE(test::same_bits(forward<T>(gpu, shifted).y, forward<T>(gpu, aligned).y));
      EXPECT_TRUE(test::same_bits(backward<T>(gpu, shifted).d_x, backward<T>(gpu, aligned).d_x));
    }
  });
}

}  // namespace
}  // namespace softmoe::ops
