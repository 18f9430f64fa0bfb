#include "runtime/ops/elementwise.h"

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::for_each_storage;
using test::Guarded;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;
using testing::Each;

// Around a unit of 16 bytes, around a block, and more than one block.
constexpr std::int64_t kSizes[] = {0, 1, 3, 7, 8, 9, 33, 1000, 2048, 5001};

TEST(ElementwiseOnGpu, FillsWithZerosAndNothingElse) {
  OnDevice gpu(Backend::cuda);
  for (const std::int64_t size : kSizes) {
    const auto expect_zeros = [&]<class T>(T something) {
      const ArenaScope scope(gpu.saved);
      const std::vector<T> before(static_cast<std::size_t>(size), something);
      const Guarded<T> x(gpu, before, {size}, /*shift=*/1);

      fill_zero(x.tensor(), gpu.stream);

      EXPECT_THAT(x.download(), Each(T{}));
    };
    expect_zeros(3.0F);
    expect_zeros(Bf16(3.0F));
    expect_zeros(3.0);
    expect_zeros(std::int32_t{3});
    expect_zeros(std::int64_t{3});
    expect_zeros(std::uint16_t{3});
  }
}

TEST(ElementwiseOnGpu, CopiesEveryType) {
  OnBoth both;
  for (const std::int64_t size : kSizes) {
    both.expect_equal([&](OnDevice& device) {
      const Guarded<std::int32_t> target(device, test::integers(size, 9, 1), {size}, 1);
      ops::copy(Guarded<std::int32_t>(device, test::integers(size, 1000, 2), {size}).tensor(),
                target.tensor(), device.stream);
      return target.download();
    });
    both.expect_equal([&](OnDevice& device) {
      const Guarded<Bf16> target(device, test::garbage<Bf16>(size), {size}, 3);
      ops::copy(Guarded<Bf16>(device, normal_numbers<Bf16>(size, 3), {size}).tensor(),
                target.tensor(), device.stream);
      return target.download();
    });
  }
}

TEST(ElementwiseOnGpu, AddsWithOneRounding) {
  OnBoth both;
  for_each_storage([&]<class T>() {
    for (const std::int64_t size : kSizes) {
      for (const std::int64_t shift : {0, 1}) {
        both.expect_equal([&](OnDevice& device) {
          const Guarded<T> target(device, normal_numbers<T>(size, 1), {size}, shift);
          add(Guarded<T>(device, normal_numbers<T>(size, 2), {size}).tensor(), target.tensor(),
              device.stream);
          return target.download();
        });
      }
    }
  });
}

}  // namespace
}  // namespace softmoe::ops
