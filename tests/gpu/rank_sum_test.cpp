#include "runtime/ops/rank_sum.h"

#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::Guarded;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;

struct RankCase {
  int num_ranks;
  int rank;
  std::int64_t size;
  std::int64_t shift;
};

template <class T>
std::vector<T> sum(OnDevice& device, const RankCase& c) {
  const Guarded<T> own(device, normal_numbers<T>(c.size, 1, 1e6), {c.size}, c.shift);
  const std::int64_t others = (c.num_ranks - 1) * c.size;
  sum_in_rank_order<T>({.own = own.view(),
                        .peers = device.upload(normal_numbers<T>(others, 2, 1e6)),
                        .rank = c.rank},
                       device.stream);
  return own.download();
}

TEST(RankSumOnGpu, SumsInRankOrderBitForBit) {
  OnBoth both;
  for (const int num_ranks : {1, 2, 3, 5}) {
    for (int rank = 0; rank < num_ranks; ++rank) {
      for (const std::int64_t size : {0, 1, 3, 4, 33, 1000, 5001}) {
        for (const std::int64_t shift : {0, 1}) {
          const RankCase c{num_ranks, rank, size, shift};
          SCOPED_TRACE(testing::Message() << "rank " << rank << " of " << num_ranks << ", " << size
                                          << " numbers, shifted " << shift);
          both.expect_equal([&](OnDevice& device) { return sum<float>(device, c); });
          both.expect_equal([&](OnDevice& device) { return sum<double>(device, c); });
          both.expect_equal([&](OnDevice& device) { return sum<std::int64_t>(device, c); });
        }
      }
    }
  }
}

TEST(RankSumOnGpu, IsWhatEveryRankGets) {
  // Three ranks with the same numbers: whoever sums, the bits are the same.
  OnDevice gpu(Backend::cuda);
  const std::vector<std::vector<float>> numbers = {
      normal_numbers<float>(50, 1), normal_numbers<float>(50, 2), normal_numbers<float>(50, 3)};
  std::vector<std::vector<float>> sums;
  for (std::size_t rank = 0; rank < 3; ++rank) {
    std::vector<float> peers;
    for (std::size_t other = 0; other < 3; ++other) {
      if (other != rank) peers.insert(peers.end(), numbers[other].begin(), numbers[other].end());
    }
    const View<float> own = gpu.upload(numbers[rank]);

    sum_in_rank_order<float>(
        {.own = own, .peers = gpu.upload(peers), .rank = static_cast<int>(rank)}, gpu.stream);

    sums.push_back(gpu.download(own));
  }

  EXPECT_TRUE(test::same_bits(sums[1], sums[0]));
  EXPECT_TRUE(test::same_bits(sums[2], sums[0]));
}

}  // namespace
}  // namespace softmoe::ops
