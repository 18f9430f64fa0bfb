#include "experts/row_traffic.h"

#include <gtest/gtest.h>

namespace softmoe::experts {
namespace {

TEST(RowTraffic, IsFourRowsAndTwoGates) {
  const RowTraffic bytes = row_traffic(/*hidden=*/192, DType::f32);

  EXPECT_EQ(bytes.dispatch_forward, 192 * 4 + 4);
  EXPECT_EQ(bytes.combine_forward, 192 * 4);
  EXPECT_EQ(bytes.total(), 4 * 192 * 4 + 8);
  EXPECT_EQ(bytes.dispatch_again, bytes.dispatch_forward);
}

TEST(RowTraffic, KeepsGatesInSinglePrecisionBesideShortRows) {
  EXPECT_EQ(row_traffic(64, DType::bf16).total(), 4 * 64 * 2 + 8);
  EXPECT_EQ(row_traffic(64, DType::f64).total(), 4 * 64 * 8 + 16);
}

}  // namespace
}  // namespace softmoe::experts
