#include "runtime/ops/route_compress.h"

#include <gmock/gmock.h>

#include <bit>

#include "runtime/ops/route_select.h"
#include "tests/gpu/orders.h"
#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using test::BothResults;
using test::OnDevice;
using test::RowShape;

// Bits of a choice; one column in `sparsity` is chosen, every seventh row has all, every fifth
// none.
std::vector<std::uint32_t> choices(const RowShape& shape, std::uint64_t sparsity) {
  std::mt19937_64 random(static_cast<std::uint64_t>(shape.columns));
  const std::int64_t words = ops::num_choice_words(shape.columns);
  std::vector<std::uint32_t> chosen(static_cast<std::size_t>(shape.rows * words));
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const bool is_chosen = row % 7 == 6 || (row % 5 != 4 && random() % sparsity == 0);
      if (is_chosen)
        chosen[static_cast<std::size_t>(row * words + column / 32)] |= 1U << column % 32;
    }
  }
  return chosen;
}

struct Pattern {
  std::vector<std::int32_t> row_begin;
  std::vector<std::int32_t> columns;
  std::vector<std::int32_t> counts;

  bool operator==(const Pattern&) const = default;
};

// Room for a few entries more than there are, which stay untouched.
constexpr std::int64_t kSpare = 3;

ops::SparseRows room_for(OnDevice& device, std::int64_t rows, std::int64_t entries) {
  const std::vector<std::int32_t> untouched(static_cast<std::size_t>(entries + kSpare), -7);
  return {.row_begin_R1 = device.saved.push<std::int32_t>(rows + 1),
          .column_N = device.upload(untouched)};
}

Pattern download(OnDevice& device, const ops::SparseRows& sparse, View<std::int32_t> counts) {
  return {.row_begin = device.download(sparse.row_begin_R1),
          .columns = device.download(sparse.column_N),
          .counts = device.download(counts)};
}

Pattern compress(OnDevice& device, const RowShape& shape,
                 const std::vector<std::uint32_t>& chosen) {
  std::int64_t entries = 0;
  for (const std::uint32_t word : chosen) entries += std::popcount(word);
  const ops::SparseRows sparse = room_for(device, shape.rows, entries);
  const View<std::int32_t> counts = device.saved.push<std::int32_t>(shape.columns);
  ops::route_compress(device.upload(chosen), sparse, counts, device.scratch, device.stream);
  return download(device, sparse, counts);
}

Pattern replay(OnDevice& device, const Pattern& given) {
  const auto rows = static_cast<std::int64_t>(given.row_begin.size()) - 1;
  const ops::SparseRows sparse = room_for(device, rows, given.row_begin.back());
  const View<std::int32_t> counts =
      device.saved.push<std::int32_t>(static_cast<std::int64_t>(given.counts.size()));
  ops::route_replay(
      {.row_begin_R1 = device.upload(given.row_begin), .column_N = device.upload(given.columns)},
      sparse, counts, device.stream);
  return download(device, sparse, counts);
}

void expect_equals_the_reference(const RowShape& shape, std::uint64_t sparsity) {
  SCOPED_TRACE(testing::Message() << shape.rows << " rows of " << shape.columns);
  const std::vector<std::uint32_t> chosen = choices(shape, sparsity);
  const BothResults compressed([&](OnDevice& device) { return compress(device, shape, chosen); });
  EXPECT_EQ(compressed.cuda, compressed.reference);

  const BothResults replayed(
      [&](OnDevice& device) { return replay(device, compressed.reference); });

  EXPECT_EQ(replayed.cuda, replayed.reference);
}

TEST(RouteCompressOnGpu, EqualsTheReferenceOnEveryShape) {
  for (const RowShape& shape : test::router_shapes()) expect_equals_the_reference(shape, 4);
}

TEST(RouteCompressOnGpu, EqualsTheReferenceOverManyRows) {
  expect_equals_the_reference({1023, 8}, 3);
  expect_equals_the_reference({1024, 33}, 20);
  expect_equals_the_reference({1025, 64}, 30);
  expect_equals_the_reference({20'000, 8}, 4);
}

TEST(RouteCompressOnGpu, GivesTheSamePatternInEveryOrder) {
  const RowShape shape{1500, 40};
  const std::vector<std::uint32_t> chosen = choices(shape, 10);
  OnDevice device(Backend::cuda, 1, test::kRouterArena);

  test::expect_equal_in_every_order([&] { return compress(device, shape, chosen); });
}

TEST(RouteCompressOnGpu, TakesMoreColumnsThanARowOfScoresMayHave) {
  expect_equals_the_reference({9, 3000}, 50);
}

}  // namespace
}  // namespace softmoe
