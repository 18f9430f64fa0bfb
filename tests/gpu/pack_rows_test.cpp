#include "runtime/ops/pack_rows.h"

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::garbage;
using test::Guarded;
using test::integers;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;

template <class T>
std::vector<T> pack(OnDevice& device, std::int32_t num_rows, std::int64_t columns,
                    std::int64_t shift) {
  constexpr std::int64_t kRoom = 70;
  constexpr std::int32_t kTableRows = 13;
  const Guarded<T> table(device, normal_numbers<T>(kTableRows * columns, 1, 100.0),
                         {kTableRows, columns}, shift);
  const Guarded<T> packed(device, normal_numbers<T>(kRoom * columns, 2), {kRoom, columns}, shift);
  std::vector<std::int32_t> source = integers(kRoom, kTableRows, 3);
  // What is unused is no row: it must not be read.
  std::fill(source.begin() + num_rows, source.end(), 1 << 30);
  pack_rows({.table = table.tensor(),
             .source_C = device.upload(source),
             .num_rows_1 = device.upload<std::int32_t>({num_rows}),
             .packed = packed.tensor()},
            device.stream);
  return packed.download();
}

TEST(PackRowsOnGpu, MovesAsManyRowsAsTheDeviceSays) {
  OnBoth both;
  for (const std::int32_t num_rows : {0, 1, 69, 70}) {
    for (const std::int64_t columns : {1, 3, 7, 8, 33, 100, 1000}) {
      for (const std::int64_t shift : {0, 1, 2}) {
        SCOPED_TRACE(testing::Message()
                     << num_rows << " rows of " << columns << ", shifted " << shift);
        both.expect_equal(
            [&](OnDevice& device) { return pack<float>(device, num_rows, columns, shift); });
        both.expect_equal(
            [&](OnDevice& device) { return pack<Bf16>(device, num_rows, columns, shift); });
      }
    }
  }
}

/// Rows by key in segments, in room for more of them.
struct SortCase {
  std::string name;
  std::vector<std::int32_t> key;           ///< of each row
  std::vector<std::int32_t> segment_size;  ///< they sum to the number of rows
  std::int32_t num_keys;
  std::int64_t room;
};

std::vector<std::int32_t> sort(OnDevice& device, const SortCase& c) {
  std::vector<std::int32_t> segment_begin = {0};
  for (const std::int32_t size : c.segment_size) {
    segment_begin.push_back(segment_begin.back() + size);
  }
  std::vector<std::int32_t> count(static_cast<std::size_t>(c.num_keys));
  for (const std::int32_t key : c.key) ++count[static_cast<std::size_t>(key)];
  // What is unused is no key: it must not be read.
  std::vector<std::int32_t> key = c.key;
  key.resize(static_cast<std::size_t>(c.room), 1 << 30);
  const std::vector<std::int32_t> untouched(static_cast<std::size_t>(c.room), -5);
  const Guarded<std::int32_t> row_at(device, untouched, {c.room});
  const Guarded<std::int32_t> segment_at(device, untouched, {c.room});
  const Guarded<std::int32_t> place_of(device, untouched, {c.room});
  sort_rows({.segment_begin_S1 = device.upload(segment_begin),
             .key_C = device.upload(key),
             .count_K = device.upload(count),
             .row_at_C = row_at.view(),
             .segment_at_C = segment_at.view(),
             .place_of_C = place_of.view()},
            device.scratch, device.stream);
  EXPECT_EQ(device.scratch.used(), Bytes(0));
  std::vector<std::int32_t> all = row_at.download();
  for (const Guarded<std::int32_t>& more : {segment_at, place_of}) {
    const std::vector<std::int32_t> numbers = more.download();
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return all;
}

/// `rows` rows in segments of 0, 1, 2, ... up to `largest` rows, again and again.
std::vector<std::int32_t> rising_segments(std::int64_t rows, std::int32_t largest) {
  std::vector<std::int32_t> sizes;
  for (std::int32_t size = 0; rows > 0; size = size == largest ? 0 : size + 1) {
    sizes.push_back(std::min<std::int32_t>(size, static_cast<std::int32_t>(rows)));
    rows -= sizes.back();
  }
  return sizes;
}

std::vector<SortCase> sort_cases() {
  std::vector<SortCase> cases = {
      {"no room", {}, {}, 4, 0},
      {"no rows", {}, {0, 0, 0}, 4, 10},
      {"no keys", {}, {0, 0}, 0, 10},
      {"one row", {2}, {0, 1, 0}, 4, 1},
      {"one key", std::vector<std::int32_t>(1000, 0), {400, 0, 600}, 1, 1000},
      {"every row has the same key", std::vector<std::int32_t>(700, 5), {700}, 8, 900},
  };
  // Around a tile of 256 rows, around a warp; more tiles than a warp scans at once.
  for (const std::int64_t rows : {31, 32, 33, 255, 256, 257, 2500, 20000}) {
    for (const std::int32_t num_keys : {1, 2, 31, 32, 33, 64, 300}) {
      cases.push_back({"random", integers(rows, num_keys, static_cast<std::uint64_t>(rows)),
                       rising_segments(rows, 64), num_keys, rows + 777});
    }
  }
  std::vector<std::int32_t> falling;
  for (std::int32_t i = 0; i < 4096; ++i) falling.push_back(4095 - i);
  cases.push_back({"as many keys as there may be, falling", falling, {4096}, 4096, 5000});
  cases.push_back({"many keys", integers(9000, 1500, 7), rising_segments(9000, 9), 1500, 9000});
  return cases;
}

TEST(SortRowsOnGpu, KeepsTheOrderOfRowsOfOneKey) {
  OnBoth both;
  for (const SortCase& c : sort_cases()) {
    SCOPED_TRACE(testing::Message()
                 << c.name << ": " << c.key.size() << " rows, " << c.num_keys << " keys");
    both.expect_equal([&](OnDevice& device) { return sort(device, c); });
  }
}

TEST(SortRowsOnGpu, RefusesMoreKeysThanSharedMemoryHolds) {
  OnDevice gpu(Backend::cuda);
  const SortCase too_many{"too many", {0}, {1}, 4097, 1};

  EXPECT_THAT([&] { (void)sort(gpu, too_many); },
              testing::ThrowsMessage<InvalidArgument>(testing::HasSubstr("at most 4096 keys")));
  gpu.stream.synchronize();
}

}  // namespace
}  // namespace softmoe::ops
