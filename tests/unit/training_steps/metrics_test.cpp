// What a step says of this rank's time and traffic, and that telling Prometheus takes no memory.

#include <gtest/gtest.h>

#include <numeric>

#include "experts/row_traffic.h"
#include "tests/support/local_world.h"
#include "tests/support/metrics_page.h"
#include "tests/unit/training_steps/heap_counter.h"
#include "tests/unit/training_steps/small_run.h"
#include "training/rank_metrics.h"
#include "training/run_metrics.h"

namespace softmoe::test {
namespace {

/// Passes everything on, and counts the bytes that leave this rank in exchanges.
class CountingCommunicator final : public parallel::Communicator {
 public:
  /// @param sent  of this group and of all that are split from it, each behind the others
  CountingCommunicator(parallel::Communicator& through, std::vector<std::int64_t>& sent)
      : through_(&through), sent_(&sent), place_(sent.size()) {
    sent.push_back(0);
  }

  [[nodiscard]] Rank rank() const override { return through_->rank(); }
  [[nodiscard]] int size() const override { return through_->size(); }
  void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) override {
    through_->all_gather(mine, all, stream);
  }
  void broadcast(View<std::byte> data, Rank root, Stream& stream) override {
    through_->broadcast(data, root, stream);
  }
  void exchange(std::span<const parallel::SendMessage> sends,
                std::span<const parallel::ReceiveMessage> receives, Stream& stream) override {
    for (const parallel::SendMessage& message : sends) {
      if (message.to != rank()) (*sent_)[place_] += message.data.size();
    }
    through_->exchange(sends, receives, stream);
  }
  void barrier() override { through_->barrier(); }
  [[nodiscard]] std::unique_ptr<parallel::Communicator> split(int color, int key) override {
    auto part = std::make_unique<CountingCommunicator>(*through_, *sent_);
    part->owned_ = through_->split(color, key);
    part->through_ = part->owned_.get();
    return part;
  }
  void abort() noexcept override { through_->abort(); }

 private:
  parallel::Communicator* through_;
  std::vector<std::int64_t>* sent_;
  std::size_t place_;
  std::unique_ptr<parallel::Communicator> owned_;
};

RunPlan plan_of(std::int64_t steps) {
  RunPlan plan = small_plan();
  plan.training.steps = steps;
  return plan;
}

TEST(StepResult, ItsPhasesSumToItsTime) {
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan_of(4), world, on.work);
    for (int step = 0; step < 4; ++step) {
      const training::StepResult& result = run.step();
      const double sum =
          std::accumulate(result.phase_seconds.begin(), result.phase_seconds.end(), 0.0);
      EXPECT_NEAR(sum, result.seconds, 1e-12);
      EXPECT_GE(result.phase_seconds[static_cast<std::size_t>(Phase::idle)], 0);
      EXPECT_EQ(result.phase_seconds[static_cast<std::size_t>(Phase::storage)], 0);
    }
  });
}

TEST(StepResult, TogetherWithTheTimeBetweenStepsNoneIsLost) {
  run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    constexpr auto kPause = std::chrono::milliseconds(100);
    SmallRun run(plan_of(3), world, on.work);
    const auto begin = Progress::Clock::now();
    double told = 0;
    for (int step = 0; step < 3; ++step) {
      if (step > 0) std::this_thread::sleep_for(kPause);
      const training::StepResult& result = run.step();
      if (step == 0) {
        EXPECT_EQ(result.seconds_between, 0);
      } else {
        EXPECT_GE(result.seconds_between, 0.1);
      }
      told += result.seconds + result.seconds_between;
    }
    const double passed = std::chrono::duration<double>(Progress::Clock::now() - begin).count();

    EXPECT_LE(told, passed);
    EXPECT_GT(told, passed - 0.1);  // half of what the pauses took
  });
}

TEST(StepResult, KnowsTheBytesThatLeaveTheRankToTheLast) {
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    std::vector<std::int64_t> sent;
    sent.reserve(8);
    CountingCommunicator counting(world, sent);
    SmallRun run(plan_of(3), counting, on.work);
    ASSERT_EQ(sent.size(), 3);  // the world, its experts' group, the replicas of one rank
    metrics::Registry registry({});
    training::RankMetrics metrics(
        registry, experts::row_traffic(run.model().config().hidden, DType::f32), on.work);
    for (int step = 0; step < 3; ++step) {
      sent.assign(3, 0);
      const double before = MetricsPage(registry.page()).sum("softmoe_alltoall_bytes_total");
      const training::StepResult& result = run.step();
      on.work.compute.synchronize();
      metrics.observe(result);
      const double rows = MetricsPage(registry.page()).sum("softmoe_alltoall_bytes_total") - before;

      EXPECT_GT(rows, 0);
      EXPECT_EQ(rows, static_cast<double>(sent[1]));
      EXPECT_EQ(result.bytes_reduced + result.bytes_gathered, sent[0] + sent[2]);
      EXPECT_GT(result.bytes_gathered, 0);
    }
  });
}

TEST(StepResult, GathersNothingInAStepThatIsSkipped) {
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan_of(2), world, on.work);
    EXPECT_GT(run.step().bytes_gathered, 0);
    const TensorView table = run.model().parameters()[model::ParameterId{0}].value;
    std::vector<float> broken(static_cast<std::size_t>(table.elements()), NAN);
    softmoe::upload(std::span<const float>(broken), table.as<float>(), on.stream);

    const training::StepResult& result = run.step();

    ASSERT_TRUE(result.was_skipped);
    EXPECT_EQ(result.bytes_gathered, 0);
    EXPECT_GT(result.bytes_reduced, 0);
  });
}

TEST(StepResult, SendsAndReceivesRowsInEqualNumbersOverAllRanks) {
  std::array<std::int64_t, 2> sent_P = {};
  std::array<std::int64_t, 2> received_P = {};
  std::array<std::int64_t, 2> executed_P = {};
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan_of(1), world, on.work);
    const training::StepResult& result = run.step();
    const auto rank = static_cast<std::size_t>(world.rank().value);
    sent_P[rank] = result.rows_sent;
    received_P[rank] = result.rows_received;
    executed_P[rank] = result.record.executed_L[0] + result.record.executed_L[1];
    EXPECT_GE(result.rows_received_off_rank(), 0);
    EXPECT_LE(result.rows_sent_off_rank, result.rows_sent);
  });

  EXPECT_EQ(sent_P[0] + sent_P[1], executed_P[0]);
  EXPECT_EQ(received_P[0] + received_P[1], executed_P[0]);
}

TEST(StepResult, CountsWavesAndTheRowsThatTheySendAgain) {
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    RunPlan plan = plan_of(3);
    plan.max_received_rows = 24;
    SmallRun run(plan, world, on.work);

    const training::StepResult& result = run.step();

    const int lanes = (plan.training.lanes + 1) / 2;
    EXPECT_EQ(result.layers_in_waves, std::int64_t{lanes} * plan.model.moe_layers());
    EXPECT_GE(result.receive_waves, 2 * result.layers_in_waves);
    EXPECT_EQ(result.rows_again_off_rank, result.rows_sent_off_rank);
  });
}

TEST(StepResult, CountsNoWavesWhereRowsFit) {
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    RunPlan plan = plan_of(3);
    plan.max_received_rows = 1'000'000;
    SmallRun run(plan, world, on.work);

    const training::StepResult& result = run.step();

    EXPECT_EQ(result.layers_in_waves, 0);
    EXPECT_EQ(result.receive_waves, 0);
    EXPECT_EQ(result.rows_again_off_rank, 0);
  });
}

TEST(MetricsOfASmallRun, TakeNoMemory) {
  run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    const RunPlan plan = plan_of(12);
    SmallRun run(plan, world, on.work);
    metrics::Registry registry({{"run", "r"}, {"rank", "0"}});
    training::RankMetrics of_rank(registry, experts::row_traffic(plan.model.hidden, DType::f32),
                                  on.work);
    const training::MetricsConfig config{.expert_detail = training::ExpertDetail::full, .every = 3};
    const training::RateContext rates{.steps = plan.training.steps, .layer_costs = {}};
    training::RunMetrics of_run(
        {.registry = registry,
         .config = config,
         .shape = {.layers = plan.model.moe_layers(), .experts = plan.model.experts.num_experts},
         .facts = {.world = 2, .expert_parallel = 2},
         .rates = rates,
         .unix_time = 0});
    for (std::int64_t step = 0; step < plan.training.steps; ++step) {
      const training::StepResult& result = run.step();
      const std::int64_t before = heap_allocations_here();
      of_run.enter(training::RunState::train);
      of_rank.observe(result);
      of_run.observe(result, rates, 1);
      of_run.enter(training::RunState::save);
      EXPECT_EQ(heap_allocations_here(), before) << "step " << step;
    }
    const MetricsPage page(registry.page());
    EXPECT_EQ(page.value("softmoe_train_steps_total"), 12);
    EXPECT_GT(page.sum("softmoe_expert_load_ratio"), 0);
  });
}

}  // namespace
}  // namespace softmoe::test
