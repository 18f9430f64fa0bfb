#include "launcher/plan/run_estimate.h"

#include <gmock/gmock.h>

#include "launcher/plan/fitting.h"
#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(RunEstimate, CountsWeightsAndMomentsByHand) {
  RunConfig config;
  const std::int64_t all = model::count_parameters(config.model).total();

  const MemoryEstimate memory = estimate_memory(config, {});

  EXPECT_EQ(memory.weights, 4 * all);
  EXPECT_EQ(memory.gradients, memory.weights);
  EXPECT_EQ(memory.optimizer, 2 * memory.weights);
}

TEST(RunEstimate, SpreadsExpertsAndMomentsOverRanks) {
  RunConfig config;
  const model::ParameterCounts counts = model::count_parameters(config.model);

  const MemoryEstimate memory = estimate_memory(config, {.world = 4});

  EXPECT_EQ(memory.weights, 4 * (counts.dense + counts.experts / 4));
  // Each rank has the only copy of its experts, and a quarter of the dense moments.
  EXPECT_NEAR(static_cast<double>(memory.optimizer),
              8.0 * static_cast<double>(counts.dense / 4 + counts.experts / 4), 64);
}

TEST(RunEstimate, SendsNothingAlone) {
  const TrafficEstimate traffic = estimate_traffic(RunConfig(), 1);

  EXPECT_EQ(traffic.rows_off_rank, 0);
  EXPECT_EQ(traffic.alltoall, 0);
  EXPECT_EQ(traffic.counts, 0);
  EXPECT_EQ(traffic.reduce_scatter, 0);
  EXPECT_EQ(traffic.all_gather, 0);
}

TEST(RunEstimate, SendsTheShareOfRowsThatIsElsewhere) {
  RunConfig config;  // 8 experts a token over four layers
  const double rows =
      8.0 * config.training.lanes * config.training.lane_sequences * config.model.positions;

  const TrafficEstimate traffic = estimate_traffic(config, 4);

  EXPECT_DOUBLE_EQ(traffic.rows_off_rank, rows / 4 * 3 / 4);
  EXPECT_DOUBLE_EQ(traffic.alltoall, traffic.rows_off_rank * (16 * config.model.hidden + 8));
}

TEST(RunEstimate, SendsNoRowsBetweenReplicas) {
  RunConfig config;
  config.parallel.expert_parallel = 1;

  const TrafficEstimate traffic = estimate_traffic(config, 4);

  EXPECT_EQ(traffic.alltoall, 0);
  EXPECT_GT(traffic.reduce_scatter, 0);
}

TEST(RunEstimate, GivesTheFullestRankMoreRows) {
  const RunConfig config;
  const MemoryEstimate balanced = estimate_memory(config, {.world = 4});
  const MemoryEstimate fullest = estimate_memory(config, {.world = 4, .imbalance = 3.0});

  EXPECT_GT(fullest.saved_arena, balanced.saved_arena);
  EXPECT_GT(fullest.scratch_arena, balanced.scratch_arena);
}

TEST(RunEstimate, NeverGivesARankMoreRowsThanThereAre) {
  // Alone a rank has all rows, however unevenly its experts are loaded.
  const RunConfig config;

  EXPECT_EQ(estimate_memory(config, {.imbalance = 5.0}).saved_arena,
            estimate_memory(config, {}).saved_arena);
}

TEST(RunEstimate, ReceivesInWavesAboveTheBound) {
  RunConfig config;  // 2 experts a token and layer
  const std::int64_t rows =
      std::int64_t{2} * config.training.lane_sequences * config.model.positions;
  config.parallel.max_received_rows = rows / 3;
  const EstimateBasis uneven{.world = 4, .imbalance = 2.0};

  EXPECT_EQ(estimate_receiving(config, {.world = 4}).rows, rows);
  EXPECT_EQ(estimate_receiving(config, {.world = 4}).waves, 4);  // a third leaves one row over
  EXPECT_EQ(estimate_receiving(config, uneven).rows, 2 * rows);
  EXPECT_LE(estimate_receiving(config, uneven).rows_at_once(), rows / 3);
  config.parallel.max_received_rows = rows;
  EXPECT_EQ(estimate_receiving(config, {.world = 4}).waves, 1);
}

TEST(RunEstimate, TakesLessWithWavesAndWithRecomputation) {
  RunConfig config;
  const MemoryEstimate kept = estimate_memory(config, {});
  config.parallel.max_received_rows = 64;
  const MemoryEstimate in_waves = estimate_memory(config, {});
  config.parallel.max_received_rows = 0;
  config.training.recompute = model::Recompute::block;
  const MemoryEstimate recomputed = estimate_memory(config, {});

  EXPECT_LT(in_waves.total(), kept.total());
  EXPECT_LT(recomputed.total(), kept.total());
  EXPECT_LT(recomputed.saved, kept.saved / 2);
}

TEST(RunEstimate, SendsAFifthTimeWhatIsDispatchedAgain) {
  RunConfig config;
  const TrafficEstimate kept = estimate_traffic(config, 4);
  config.training.recompute = model::Recompute::block;

  const TrafficEstimate again = estimate_traffic(config, 4);

  EXPECT_DOUBLE_EQ(again.alltoall - kept.alltoall,
                   kept.rows_off_rank * (4 * config.model.hidden + 4));
}

TEST(Fitting, NamesTheLargestBoundThatFits) {
  RunConfig config;
  const std::int64_t rows = estimate_receiving(config, {}).rows;
  const MemoryLimit all{.bytes = estimate_memory(config, {}).total()};
  RunConfig bounded = config;
  bounded.parallel.max_received_rows = rows / 8;
  const MemoryLimit less{.bytes = estimate_memory(bounded, {}).total()};
  ASSERT_LT(*less.bytes, *all.bytes);

  const auto bound = largest_bound_that_fits(config, {}, less);

  ASSERT_TRUE(bound);
  EXPECT_GE(*bound, rows / 8);
  EXPECT_LT(*bound, rows);
  bounded.parallel.max_received_rows = *bound;
  EXPECT_LE(estimate_memory(bounded, {}).total(), *less.bytes);
  EXPECT_THAT(*refuse_memory(config, {}, less),
              HasSubstr("parallel.max_received_rows=" + std::to_string(*bound)));
  EXPECT_EQ(largest_bound_that_fits(config, {}, all), std::nullopt);  // none is needed
  EXPECT_EQ(largest_bound_that_fits(config, {}, {.bytes = 1000}), std::nullopt);
  EXPECT_EQ(largest_bound_that_fits(config, {}, {}), std::nullopt);
}

TEST(Fitting, ProposesToRecompute) {
  RunConfig config;
  config.training.recompute = model::Recompute::block;
  const MemoryLimit limit{.bytes = estimate_memory(config, {}).total()};
  config.training.recompute = model::Recompute::none;

  EXPECT_THAT(*refuse_memory(config, {}, limit), HasSubstr("training.recompute=block"));
}

TEST(Fitting, AcceptsWhatFitsAndWhatNobodyLimits) {
  const RunConfig config;

  EXPECT_EQ(refuse_memory(config, {}, {}), std::nullopt);
  EXPECT_EQ(refuse_memory(config, {}, {.bytes = std::int64_t{64} << 30}), std::nullopt);
}

TEST(Fitting, NamesTheLargestItemAndAChangeThatFits) {
  RunConfig config;
  config.training.lane_sequences = 64;
  const MemoryEstimate memory = estimate_memory(config, {});
  const MemoryLimit limit{.bytes = memory.total() * 3 / 4};

  const auto refusal = refuse_memory(config, {}, limit);

  ASSERT_TRUE(refusal);
  EXPECT_THAT(*refusal, AllOf(HasSubstr("saved activations"),
                              HasSubstr("training.lane_sequences=32 training.lanes=8")));
  config.training.lane_sequences = 32;
  config.training.lanes = 8;
  EXPECT_EQ(refuse_memory(config, {}, limit), std::nullopt);
}

TEST(Fitting, ProposesMoreRanksWhereWeightsAreTheMost) {
  RunConfig config;
  config.model.experts.num_experts = 256;
  config.training.lane_sequences = 1;
  const MemoryLimit limit{.bytes = estimate_memory(config, {}).total() / 2};

  const auto refusal = refuse_memory(config, {}, limit);

  ASSERT_TRUE(refusal);
  EXPECT_THAT(*refusal, AllOf(HasSubstr("optimizer"), HasSubstr("4 ranks")));
}

TEST(Fitting, SaysWhenNothingHelps) {
  EXPECT_THAT(*refuse_memory(RunConfig(), {}, {.bytes = 1000}),
              HasSubstr("make the model smaller"));
}

TEST(Fitting, RefusesAnArenaThatIsTooSmall) {
  RunConfig config;
  config.runtime.arena_bytes = 1 << 20;

  EXPECT_THAT(*refuse_memory(config, {}, {}), HasSubstr("runtime.arena_bytes is 1048576"));
}

TEST(Fitting, SpeaksOfMemoryFirst) {
  RunConfig config;
  config.runtime.arena_bytes = 1 << 20;

  EXPECT_THAT(*refuse_memory(config, {}, {.bytes = 1000}), HasSubstr("--memory-per-rank"));
}

TEST(Fitting, ReadsAmountsOfMemory) {
  EXPECT_EQ(parse_bytes("16GiB"), std::int64_t{16} << 30);
  EXPECT_EQ(parse_bytes("1.5 GiB"), std::int64_t{3} << 29);
  EXPECT_EQ(parse_bytes("900MB"), 900'000'000);
  EXPECT_EQ(parse_bytes("4096"), 4096);
  for (const char* bad : {"", "GiB", "-1GiB", "16 giraffes", "1e30GiB", "nan", "inf", "0"}) {
    EXPECT_THROW((void)parse_bytes(bad), InvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace softmoe::launcher
