#include "runtime/device/arena_measure.h"

#include <gmock/gmock.h>

#include "tests/support/on_device.h"

namespace softmoe {
namespace {

constexpr std::int64_t kPage = std::int64_t{2} << 20;
using Purpose = ArenaMeasure::Purpose;

template <class Memory>
void push_some(Memory& memory) {
  [[maybe_unused]] const auto numbers = memory.template push<std::int32_t>(3);
  [[maybe_unused]] const auto tensor = memory.push(DType::bf16, {5, 7});
  [[maybe_unused]] const auto none = memory.push(DType::f64, {0, 7});
}

TEST(ArenaMeasure, StandsAsHighAsAnArena) {
  test::OnDevice on;
  ArenaMeasure measure;

  push_some(on.scratch);
  push_some(measure);

  EXPECT_EQ(measure.peak(), on.scratch.peak());
  EXPECT_EQ(measure.mark(), on.scratch.mark());
}

TEST(ArenaMeasure, KeepsItsPeakAboveWhatWasPopped) {
  ArenaMeasure measure;
  {
    const MeasureScope scope(measure);
    push_some(measure);
  }

  EXPECT_EQ(measure.mark(), 0);
  EXPECT_GT(measure.peak(), Bytes(0));
}

TEST(ArenaMeasure, CountsAPageOnceHoweverOftenItIsWritten) {
  ArenaMeasure measure;
  for (int round = 0; round < 3; ++round) {
    const MeasureScope scope(measure);
    measure.push(DType::f32, {kPage / 4});
    measure.push(DType::f32, {kPage / 4});
  }

  EXPECT_EQ(measure.touched(), Bytes(2 * kPage));
}

TEST(ArenaMeasure, LeavesOutRoomThatIsNotWritten) {
  ArenaMeasure measure;
  measure.push(DType::f32, {8 * kPage / 4}, 0.25, Purpose::exchange);
  measure.push(DType::f32, {kPage / 4});

  EXPECT_EQ(measure.peak(), Bytes(9 * kPage));
  EXPECT_EQ(measure.touched(), Bytes(3 * kPage));
  EXPECT_EQ(measure.exchanged(), Bytes(2 * kPage));
}

TEST(ArenaMeasure, TakesTheMostThatWasExchangedAtATime) {
  ArenaMeasure measure;
  for (int round = 0; round < 2; ++round) {
    const MeasureScope scope(measure);
    measure.push(DType::f32, {64}, 1.0, Purpose::exchange);
    measure.push(DType::f32, {64}, 1.0, Purpose::work);
  }

  EXPECT_EQ(measure.exchanged(), Bytes(256));
}

}  // namespace
}  // namespace softmoe
