#include "runtime/ops/cuda/scan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/numbers.h"
#include "tests/support/on_device.h"

namespace softmoe {
namespace {

using test::OnDevice;

// Nothing, within a tile, at its edges, several tiles, and more tiles than one block sums in two
// turns.
TEST(InclusiveScan, SumsAnyNumberOfValues) {
  OnDevice device(Backend::cuda);
  for (const std::int64_t count : {0, 1, 5, 1023, 1024, 1025, 5000, 600'001}) {
    std::vector<std::int32_t> wanted = test::integers(count, 100, 7);
    const View<std::int32_t> values = device.upload(wanted);

    ops::cuda::inclusive_scan(values, device.scratch, device.stream);

    std::partial_sum(wanted.begin(), wanted.end(), wanted.begin());
    EXPECT_EQ(device.download(values), wanted) << count;
    EXPECT_EQ(device.scratch.used(), Bytes(0));
  }
}

}  // namespace
}  // namespace softmoe
