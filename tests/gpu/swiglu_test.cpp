#include "runtime/ops/swiglu.h"

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::for_each_storage;
using test::garbage;
using test::Guarded;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;

enum class Gates { given, none };
enum class Target { apart, in_place };

struct SwigluCase {
  std::int64_t rows;
  std::int64_t width;
  std::int64_t shift = 0;
  Gates gates = Gates::given;
  Target target = Target::apart;
};

std::vector<SwigluCase> swiglu_cases() {
  std::vector<SwigluCase> cases;
  for (const std::int64_t width : {0, 1, 3, 7, 8, 33, 100, 1000}) {
    for (const std::int64_t rows : {0, 1, 5}) {
      cases.push_back({rows, width});
      cases.push_back({rows, width, 1, Gates::none});
    }
  }
  // Rows enough for many blocks; a row long enough for all threads of one.
  cases.push_back({700, 64});
  cases.push_back({3, 5000, 0, Gates::given, Target::in_place});
  cases.push_back({20, 104, 0, Gates::none, Target::in_place});
  cases.push_back({20, 33, 1, Gates::given, Target::in_place});
  return cases;
}

testing::Message name_of(const SwigluCase& c) {
  return testing::Message() << c.rows << " rows of " << c.width << ", shifted " << c.shift;
}

/// Inputs to both sides of zero, up to where the exponential overflows.
template <class T>
std::vector<T> inputs(std::int64_t count, std::uint64_t seed) {
  std::vector<T> numbers = normal_numbers<T>(count, seed, 2.0);
  const float extremes[] = {0.0F, -0.0F, -90.0F, 90.0F, -1000.0F, 1000.0F, -1.2784645F};
  for (std::size_t i = 0; i < std::size(extremes) && i * 5 < numbers.size(); ++i) {
    numbers[i * 5] = static_cast<T>(extremes[i]);
  }
  return numbers;
}

/// Some gates are 0.
std::vector<float> gates(std::int64_t count) {
  std::vector<float> numbers = normal_numbers<float>(count, 9);
  for (std::size_t i = 1; i < numbers.size(); i += 3) numbers[i] = 0;
  return numbers;
}

template <class T>
std::vector<T> forward(OnDevice& device, const SwigluCase& c) {
  const Guarded<T> h(device, inputs<T>(c.rows * 2 * c.width, 1), {c.rows, 2 * c.width}, c.shift);
  const Guarded<T> a(device, garbage<T>(c.rows * c.width), {c.rows, c.width}, c.shift);
  ConstTensorView gate;
  if (c.gates == Gates::given) gate = device.upload(gates(c.rows), {c.rows});
  swiglu(h.tensor(), gate, a.tensor(), device.stream);
  return a.download();
}

template <class T>
struct Gradients {
  std::vector<T> d_h;
  std::vector<float> d_gate;
  std::vector<T> a;
};

template <class T>
Gradients<T> backward(OnDevice& device, const SwigluCase& c) {
  const Shape wide{c.rows, 2 * c.width};
  const Guarded<T> h(device, inputs<T>(c.rows * 2 * c.width, 1), wide, c.shift);
  const Guarded<T> d_h(device, garbage<T>(c.rows * 2 * c.width), wide, c.shift);
  const Guarded<T>& target = c.target == Target::in_place ? h : d_h;
  const Guarded<T> d_a(device, normal_numbers<T>(c.rows * c.width, 2), {c.rows, c.width}, c.shift);
  const Guarded<float> d_gate(device, garbage<float>(c.rows), {c.rows});
  const Guarded<T> apart(device, garbage<T>(c.rows * c.width), {c.rows, c.width}, c.shift);
  const Guarded<T>& a = c.target == Target::in_place ? d_a : apart;
  SwigluBackwardArguments arguments{
      .d_a_MF = d_a.tensor(), .h_M2F = h.tensor(), .d_h_M2F = target.tensor(), .a_MF = a.tensor()};
  if (c.gates == Gates::given) {
    arguments.gate_M = device.upload(gates(c.rows), {c.rows});
    arguments.d_gate_M = d_gate.tensor();
  }
  swiglu_backward(arguments, device.stream);
  return {.d_h = target.download(), .d_gate = d_gate.download(), .a = a.download()};
}

TEST(SwigluOnGpu, IsTheSpecification) {
  OnBoth both;
  for (const SwigluCase& c : swiglu_cases()) {
    SCOPED_TRACE(name_of(c));
    both.expect_near([&](OnDevice& device) { return forward<float>(device, c); },
                     test::kF32Rounding);
    both.expect_within([&](OnDevice& device) { return forward<Bf16>(device, c); },
                       test::kRoundedOnce);
  }
}

TEST(SwigluOnGpu, WalksMoreRowsThanTheGridHas) {
  // One thread a row, 256 in a block, at most 4,096 blocks: the last rows are a second round.
  OnBoth both;
  both.expect_within(
      [&](OnDevice& device) {
        return forward<Bf16>(device, {.rows = 256 * 4096 + 1001, .width = 1});
      },
      test::kRoundedOnce);
}

TEST(SwigluOnGpu, BackwardIsTheSpecification) {
  OnBoth both;
  for (const SwigluCase& c : swiglu_cases()) {
    SCOPED_TRACE(name_of(c));
    both.expect_near([&](OnDevice& device) { return backward<float>(device, c).d_h; },
                     test::kF32Rounding);
    both.expect_within([&](OnDevice& device) { return backward<Bf16>(device, c).d_h; },
                       test::kRoundedOnce);
  }
}

TEST(SwigluOnGpu, BackwardWritesTheActivationOfForward) {
  OnDevice gpu(Backend::cuda);
  for (const SwigluCase& c : swiglu_cases()) {
    SCOPED_TRACE(name_of(c));
    for_each_storage([&]<class T>() {
      const ArenaScope scope(gpu.saved);
      EXPECT_TRUE(test::same_bits(backward<T>(gpu, c).a, forward<T>(gpu, c)));
    });
  }
}

TEST(SwigluOnGpu, GradientOfTheGateIsTheSpecification) {
  OnBoth both;
  for (const SwigluCase& c : swiglu_cases()) {
    if (c.gates == Gates::none) continue;
    SCOPED_TRACE(name_of(c));
    for_each_storage([&]<class T>() {
      both.expect_near([&](OnDevice& device) { return backward<T>(device, c).d_gate; },
                       test::kF32LongSums);
    });
  }
}

TEST(SwigluOnGpu, AGivenRowHasTheSameBitsWhereverItLies) {
  // Aligned or not: the same threads sum the same elements.
  OnDevice gpu(Backend::cuda);
  for_each_storage([&]<class T>() {
    for (const std::int64_t width : {8, 33, 1000}) {
      const ArenaScope scope(gpu.saved);
      const Gradients<T> aligned = backward<T>(gpu, {.rows = 5, .width = width, .shift = 0});
      const Gradients<T> shifted = backward<T>(gpu, {.rows = 5, .width = width, .shift = 1});

      EXPECT_TRUE(test::same_bits(shifted.d_h, aligned.d_h));
      EXPECT_TRUE(test::same_bits(shifted.d_gate, aligned.d_gate));
    }
  });
}

}  // namespace
}  // namespace softmoe::ops
