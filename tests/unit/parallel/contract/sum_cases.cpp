// Sums over ranks and shards of flat spaces.

#include <gmock/gmock.h>

#include "parallel/flat_shards.h"
#include "parallel/reduce.h"
#include "runtime/base/philox.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {

namespace {

using parallel::all_reduce_sum;
using parallel::Communicator;
using parallel::FlatShards;

// Nothing, fewer than ranks, odd, and beyond the size up to which one round is used.
constexpr std::int64_t kSizes[] = {0, 1, 2, 3, 5, 1'000, 4'097, 20'001};

/// Numbers of `rank`, the same wherever they are computed; of very different magnitudes, so that
/// another order of summation shows in the bits.
template <class T>
std::vector<T> numbers_of(int rank, std::int64_t count) {
  std::vector<T> numbers;
  const RandomKey key{.seed = 42, .step = static_cast<std::uint32_t>(rank)};
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words = philox(key, static_cast<std::uint64_t>(i));
    if constexpr (std::is_integral_v<T>)
      numbers.push_back((static_cast<T>(words[0]) << 28) - static_cast<T>(words[1]));
    else
      numbers.push_back(static_cast<T>((uniform_from(words[0]) - 0.5) *
                                       static_cast<double>(1 << (words[1] % 20))));
  }
  return numbers;
}

/// The specification: ((x_0 + x_1) + x_2) + ...
template <class T>
std::vector<T> serial_sum(int num_ranks, std::int64_t count) {
  std::vector<T> sum = numbers_of<T>(0, count);
  for (int rank = 1; rank < num_ranks; ++rank) {
    const std::vector<T> numbers = numbers_of<T>(rank, count);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += numbers[i];
  }
  return sum;
}

template <class T>
void expect_all_reduce_is_the_serial_sum(Communicator& communicator, OnDevice& device) {
  for (const std::int64_t count : kSizes) {
    const View<T> data = device.upload(numbers_of<T>(communicator.rank().value, count));
    const Bytes scratch_before = device.scratch.used();

    all_reduce_sum(data, communicator, device.scratch, device.stream);

    EXPECT_EQ(device.download(data), serial_sum<T>(communicator.size(), count)) << count;
    EXPECT_EQ(device.scratch.used(), scratch_before);
  }
}

void sums_on_the_host_are_there_on_return(Communicator& communicator, OnDevice& device) {
  const int me = communicator.rank().value;
  std::vector<double> doubles = numbers_of<double>(me, 5);
  std::vector<std::int64_t> integers = numbers_of<std::int64_t>(me, 3);
  std::vector<double> nothing;

  all_reduce_sum_on_host(doubles, communicator, device.stream);
  all_reduce_sum_on_host(integers, communicator, device.exchange);
  all_reduce_sum_on_host(nothing, communicator, device.stream);

  EXPECT_EQ(doubles, serial_sum<double>(communicator.size(), 5));
  EXPECT_EQ(integers, serial_sum<std::int64_t>(communicator.size(), 3));
}

void broadcast_on_the_host_is_there_on_return(Communicator& communicator, OnDevice& device) {
  const Rank root(communicator.size() - 1);
  std::array<double, 3> numbers{};
  if (communicator.rank() == root) numbers = {1.0, -2.5, 1e300};

  broadcast_on_host(std::as_writable_bytes(std::span(numbers)), root, communicator, device.stream);

  EXPECT_THAT(numbers, testing::ElementsAre(1.0, -2.5, 1e300));
}

void ranges_partition_the_flat_space(Communicator& communicator, OnDevice& /*device*/) {
  for (std::int64_t elements = 0; elements <= 17; ++elements) {
    const FlatShards shards(elements, communicator);

    std::int64_t end = 0;
    for (Rank rank{0}; rank.value < communicator.size(); ++rank.value) {
      const FlatShards::Range range = shards.range_of(rank);
      EXPECT_EQ(range.begin, end);
      EXPECT_LE(range.size(), shards.range_of(Rank(0)).size());
      EXPECT_GE(range.size(), 0);
      end = range.end;
    }
    EXPECT_EQ(end, elements);
    EXPECT_EQ(shards.owned().begin, shards.range_of(communicator.rank()).begin);
  }
}

template <class T>
void expect_reduce_scatter_sums_what_is_owned(Communicator& communicator, OnDevice& device) {
  for (const std::int64_t count : kSizes) {
    const FlatShards shards(count, communicator);
    const std::vector<T> mine = numbers_of<T>(communicator.rank().value, count);
    const std::vector<T> sum = serial_sum<T>(communicator.size(), count);
    std::vector<T> expected = mine;
    const FlatShards::Range owned = shards.owned();
    std::copy(sum.begin() + owned.begin, sum.begin() + owned.end, expected.begin() + owned.begin);
    const TensorView flat = device.upload(mine, {count});
    const Bytes scratch_before = device.scratch.used();

    shards.reduce_scatter(flat, device.scratch, device.stream);

    EXPECT_EQ(device.download<T>(flat), expected) << count;
    EXPECT_EQ(device.scratch.used(), scratch_before);

    shards.all_gather(flat, device.stream);

    EXPECT_EQ(device.download<T>(flat), sum) << count;
  }
}

void reduce_scatter_sums_floats(Communicator& communicator, OnDevice& device) {
  expect_reduce_scatter_sums_what_is_owned<float>(communicator, device);
  expect_reduce_scatter_sums_what_is_owned<double>(communicator, device);
}

void reduce_scatter_sums_fixed_point(Communicator& communicator, OnDevice& device) {
  expect_reduce_scatter_sums_what_is_owned<std::int64_t>(communicator, device);
}

void flat_shards_refuse_other_sizes_and_types(Communicator& communicator, OnDevice& device) {
  const FlatShards shards(8, communicator);
  const TensorView seven = device.saved.push(DType::f32, {7});
  const TensorView coarse = device.saved.push(DType::bf16, {8});

  EXPECT_THROW(shards.all_gather(seven, device.stream), InvalidArgument);
  EXPECT_THROW(shards.reduce_scatter(seven, device.scratch, device.stream), InvalidArgument);
  EXPECT_THROW(shards.reduce_scatter(coarse, device.scratch, device.stream), InvalidArgument);
}

}  // namespace

std::vector<ContractCase> sum_cases() {
  return {
      {"IntegersSumExactly", expect_all_reduce_is_the_serial_sum<std::int64_t>},
      {"FloatsSumInRankOrder", expect_all_reduce_is_the_serial_sum<float>},
      {"DoublesSumInRankOrder", expect_all_reduce_is_the_serial_sum<double>},
      {"SumsOnTheHostAreThereOnReturn", sums_on_the_host_are_there_on_return, Carries::host_memory},
      {"BroadcastOnTheHostIsThereOnReturn", broadcast_on_the_host_is_there_on_return,
       Carries::host_memory},
      {"RangesPartitionTheFlatSpace", ranges_partition_the_flat_space},
      {"ReduceScatterSumsFloats", reduce_scatter_sums_floats},
      {"ReduceScatterSumsFixedPoint", reduce_scatter_sums_fixed_point},
      {"FlatShardsRefuseOtherSizesAndTypes", flat_shards_refuse_other_sizes_and_types},
  };
}

}  // namespace softmoe::test
