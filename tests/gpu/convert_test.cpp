// Conversions on a GPU give the bits of the specification.

#include "runtime/ops/convert.h"

#include <gtest/gtest.h>

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::Guarded;
using test::OnBoth;
using test::OnDevice;

template <class From, class To>
std::vector<To> converted(OnDevice& device, std::int64_t size) {
  // Of very different sizes, and what is no number.
  std::vector<From> values = test::normal_numbers<From>(size, 1, 1e3);
  for (std::size_t i = 0; i < values.size(); i += 5)
    values[i] = static_cast<From>(static_cast<float>(values[i]) * 1e-30F);
  if (size > 2) values[2] = static_cast<From>(std::numeric_limits<float>::infinity());
  if (size > 3) values[3] = static_cast<From>(std::numeric_limits<float>::quiet_NaN());
  const Guarded<From> source(device, values, {size});
  const Guarded<To> target(device, test::garbage<To>(size), {size});
  convert(source.tensor(), target.tensor(), device.stream);
  return target.download();
}

TEST(ConvertOnGpu, GivesTheBitsOfTheSpecification) {
  OnBoth both;
  for (const std::int64_t size : {0, 1, 7, 255, 256, 257, 5000}) {
    SCOPED_TRACE(size);
    both.expect_equal([&](OnDevice& device) { return converted<float, Bf16>(device, size); });
    both.expect_equal([&](OnDevice& device) { return converted<Bf16, float>(device, size); });
    both.expect_equal([&](OnDevice& device) { return converted<float, float>(device, size); });
    both.expect_equal([&](OnDevice& device) { return converted<Bf16, Bf16>(device, size); });
  }
}

}  // namespace
}  // namespace softmoe::ops
