#include "bench/layer_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "bench/expert_products.h"
#include "bench/local_ranks.h"
#include "bench/numbers.h"
#include "bench/shape.h"
#include "bench/wrong_elements.h"
#include "tests/support/on_device.h"

namespace softmoe::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

launcher::RunConfig tiny(int world) {
  return load_shape(
      {.shape = "demo",
       .overrides = {"model.hidden=32", "model.positions=16", "model.experts.inner=24",
                     "training.lane_sequences=3", "model.experts.num_experts=8"}},
      world);
}

TEST(WrongElements, AreThoseFarFromWhatTheyShouldBe) {
  const std::vector<float> should_be = {1, -2, 0, 4};

  EXPECT_EQ(wrong_elements(should_be, should_be), 0);
  EXPECT_EQ(wrong_elements(std::vector<float>{1, -2.0003F, 0.0003F, 4}, should_be), 0);
  EXPECT_EQ(wrong_elements(std::vector<float>{1, 2, 0.0005F, 4}, should_be), 2);
  EXPECT_EQ(wrong_elements(std::vector<float>{1, -2, 0, std::nanf("")}, should_be), 1);
}

TEST(WrongElements, RefuseOtherSizes) {
  EXPECT_THROW(static_cast<void>(wrong_elements(std::vector<float>{1}, std::vector<float>{})),
               InvalidArgument);
}

TEST(Numbers, TheMedianIsInTheMiddle) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(least({4, 1, 2}), 1);
}

TEST(LocalRanks, EndWithWhatTheFirstToFailThrew) {
  EXPECT_THAT(
      [] {
        run_local_ranks(2, 1, [](parallel::Communicator& ranks, Workspace&) {
          if (ranks.rank() == Rank(1)) throw InvalidArgument("rank 1 does not like this");
          ranks.barrier();
        });
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("does not like")));
}

TEST(LayerBench, IsRightUnderEveryWorkloadOnOneRankAndOnTwo) {
  for (const int num_ranks : {1, 2}) {
    const launcher::RunConfig config = tiny(num_ranks);
    run_local_ranks(num_ranks, 1, [&](parallel::Communicator& ep, Workspace& work) {
      LayerBench bench(config, ep, work);
      for (int workload = 0; workload < kNumWorkloads; ++workload) {
        for (const bool is_placed : {false, true}) {
          const LayerFigures figures = bench.measure(
              {.workload = static_cast<Workload>(workload), .is_placed = is_placed}, 2);

          EXPECT_EQ(figures.wrong_elements, 0) << "W" << workload;
          EXPECT_EQ(figures.checked_elements, num_ranks * 2 * 32 * 32);
          EXPECT_EQ(figures.rows, 2 * 48 * num_ranks);
          EXPECT_EQ(figures.forward_seconds.size(), 2u);
        }
      }
    });
  }
}

TEST(LayerBench, CountsTheBytesOfTheBusiestRank) {
  run_local_ranks(2, 1, [](parallel::Communicator& ep, Workspace& work) {
    const launcher::RunConfig config = tiny(2);
    LayerBench bench(config, ep, work);

    const LayerFigures balanced = bench.measure({.workload = Workload::balanced}, 1);
    const LayerFigures hot = bench.measure({.workload = Workload::hot_rank}, 1);

    // 96 rows of 128 bytes a rank; half of them stay, or a quarter of the cold rank's.
    EXPECT_EQ(balanced.most_bytes_sent, 96 * 128);
    EXPECT_EQ(balanced.most_bytes_on_link, 48 * 128);
    EXPECT_EQ(hot.most_bytes_on_link, 72 * 128);
  });
}

TEST(ExpertProducts, ZipfRowsFallAndAddUp) {
  const launcher::RunConfig config = tiny(1);

  const auto row_E = expert_rows("zipf", config);

  EXPECT_EQ(std::accumulate(row_E.begin(), row_E.end(), std::int64_t{0}), 96);
  EXPECT_TRUE(std::is_sorted(row_E.rbegin(), row_E.rend()));
  EXPECT_THAT(expert_rows("W0", config), testing::Each(12));
  EXPECT_THROW(static_cast<void>(expert_rows("W9", config)), ConfigError);
}

TEST(ExpertProducts, AllFormsRunOverUnevenCounts) {
  test::OnDevice on(Backend::cpu, /*num_threads=*/2);
  const launcher::RunConfig config = tiny(1);
  ExpertProducts products(config.model, {5, 0, 1, 30}, on.work);

  EXPECT_NO_THROW(products.run_dense());
  EXPECT_NO_THROW(products.run_grouped());
  EXPECT_NO_THROW(products.run_ffn());

  EXPECT_EQ(products.flops(), 18.0 * 36 * 32 * 24);
}

}  // namespace
}  // namespace softmoe::bench
