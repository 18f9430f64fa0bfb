#include "runtime/ops/rows.h"

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::for_each_storage;
using test::garbage;
using test::Guarded;
using test::integers;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;

constexpr std::int64_t kColumns[] = {0, 1, 3, 7, 8, 33, 100, 1000};

/// Rows of `columns` elements, an aligned one or one that begins anywhere.
struct Layout {
  std::int64_t columns;
  std::int64_t shift;
};

std::vector<Layout> layouts() {
  std::vector<Layout> all;
  for (const std::int64_t columns : kColumns) {
    for (const std::int64_t shift : {0, 1, 2}) all.push_back({columns, shift});
  }
  return all;
}

template <class T>
std::vector<T> gather(OnDevice& device, const Layout& layout, std::int64_t num_rows) {
  constexpr std::int32_t kTableRows = 37;
  const auto& [columns, shift] = layout;
  const Guarded<T> table(device, normal_numbers<T>(kTableRows * columns, 1, 100.0),
                         {kTableRows, columns}, shift);
  const Guarded<T> out(device, normal_numbers<T>(num_rows * columns, 2), {num_rows, columns},
                       shift);
  gather_rows(table.tensor(), device.upload(integers(num_rows, kTableRows, 3)), out.tensor(),
              device.stream);
  return out.download();
}

TEST(GatherRowsOnGpu, MovesEveryBit) {
  OnBoth both;
  for (const Layout& layout : layouts()) {
    for (const std::int64_t num_rows : {0, 1, 5, 300}) {
      SCOPED_TRACE(testing::Message()
                   << num_rows << " rows of " << layout.columns << ", shifted " << layout.shift);
      both.expect_equal([&](OnDevice& device) { return gather<float>(device, layout, num_rows); });
      both.expect_equal([&](OnDevice& device) { return gather<Bf16>(device, layout, num_rows); });
      both.expect_equal(
          [&](OnDevice& device) { return gather<std::int32_t>(device, layout, num_rows); });
      both.expect_equal([&](OnDevice& device) { return gather<double>(device, layout, num_rows); });
    }
  }
}

// One thread a row, 256 in a block, at most 4,096 blocks: the last rows are a second round.
constexpr std::int64_t kMoreThanAGrid = 256 * 4096 + 1001;

TEST(GatherRowsOnGpu, WalksMoreRowsThanTheGridHas) {
  constexpr std::int64_t kRows = kMoreThanAGrid;
  OnDevice gpu(Backend::cuda);
  const std::vector<std::int32_t> index = integers(kRows, 1000, 1);
  const View<std::int32_t> table = gpu.upload(integers(1000, 1 << 30, 2));
  const View<std::int32_t> out = gpu.saved.push<std::int32_t>(kRows);

  gather_rows({table, {1000, 1}}, gpu.upload(index), {out, {kRows, 1}}, gpu.stream);

  const std::vector<std::int32_t> numbers = gpu.download(table);
  std::vector<std::int32_t> expected;
  for (const std::int32_t i : index) expected.push_back(numbers[static_cast<std::size_t>(i)]);
  EXPECT_TRUE(test::same_bits(gpu.download(out), expected));
}

/// Begins of segments, `sizes` repeated over and over, and where their rows are.
struct Segments {
  std::vector<std::int32_t> begin = {0};
  std::vector<std::int32_t> place_of;

  Segments(std::int64_t count, const std::vector<std::int32_t>& sizes) {
    for (std::int64_t s = 0; s < count; ++s) {
      begin.push_back(begin.back() + sizes[static_cast<std::size_t>(s) % sizes.size()]);
    }
    // A permutation that mixes near and far.
    const std::int32_t rows = begin.back();
    for (std::int32_t j = 0; j < rows; ++j) place_of.push_back(rows - 1 - j);
    for (std::int32_t j = 0; j + 7 < rows; j += 3) std::swap(place_of[j], place_of[j + 7]);
  }
  [[nodiscard]] std::int64_t size() const { return std::ssize(begin) - 1; }
  [[nodiscard]] std::int64_t rows() const { return begin.back(); }
};

/// What the sums are added to.
enum class Onto : std::uint8_t { nothing, another, itself };

template <class T>
std::vector<T> sum(OnDevice& device, const Segments& segments, const Layout& layout, Onto what) {
  const auto& [columns, shift] = layout;
  const std::int64_t elements = segments.size() * columns;
  const Guarded<T> rows(device, normal_numbers<T>(segments.rows() * columns, 1),
                        {segments.rows(), columns}, shift);
  const Guarded<T> added(device, normal_numbers<T>(elements, 2), {segments.size(), columns}, shift);
  // Memory that is written and not even looked at.
  const Guarded<T> unread(device, garbage<T>(elements), {segments.size(), columns}, shift);
  const Guarded<T>& out = what == Onto::itself ? added : unread;
  sum_rows({.rows = rows.tensor(),
            .place_of_N = device.upload(segments.place_of),
            .segment_begin = device.upload(segments.begin),
            .onto = what == Onto::nothing ? ConstTensorView() : added.tensor(),
            .out = out.tensor()},
           device.stream);
  return out.download();
}

TEST(SumRowsOnGpu, SumsInTheOrderOfTheSpecification) {
  OnBoth both;
  for (const Layout& layout : layouts()) {
    for (const Segments& segments :
         {Segments(0, {1}), Segments(1, {0}), Segments(1, {1}), Segments(40, {2, 0, 5, 1, 8}),
          Segments(3, {64}), Segments(2, {0, 64})}) {
      for (const Onto onto : {Onto::nothing, Onto::another, Onto::itself}) {
        SCOPED_TRACE(testing::Message() << segments.size() << " segments of " << segments.rows()
                                        << " rows of " << layout.columns << ", shifted "
                                        << layout.shift << ", onto " << static_cast<int>(onto));
        for_each_storage([&]<class T>() {
          both.expect_equal(
              [&](OnDevice& device) { return sum<T>(device, segments, layout, onto); });
        });
      }
    }
  }
}

TEST(SumRowsOnGpu, WalksMoreSegmentsThanTheGridHas) {
  OnBoth both;
  both.expect_equal([&](OnDevice& device) {
    return sum<Bf16>(device, Segments(kMoreThanAGrid, {1, 0, 0, 2}), {1, 0}, Onto::nothing);
  });
}

TEST(SumRowsOnGpu, RunsOverMoreSegmentsThanOneBlockHolds) {
  OnBoth both;
  for_each_storage([&]<class T>() {
    both.expect_equal([&](OnDevice& device) {
      return sum<T>(device, Segments(3000, {1, 3, 0, 2}), {100, 0}, Onto::itself);
    });
  });
}

}  // namespace
}  // namespace softmoe::ops
