// A plan against the trainer itself: what ranks that are threads send to each other, and what their
// activations take.

#include <gmock/gmock.h>

#include <mutex>
#include <numeric>

#include "budget/local_budget_link.h"
#include "launcher/plan/run_estimate.h"
#include "parallel/topology.h"
#include "runtime/base/philox.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/local_world.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/token_file.h"
#include "tests/unit/launcher/counting_rank.h"
#include "training/trainer.h"

namespace softmoe::launcher {
namespace {

using test::CountingRank;
using test::OnDevice;

constexpr std::int64_t kSteps = 4;

/// What a rank did in the steps of a run.
struct Measured {
  double saved_arena = 0;
  double rows = 0;        ///< exchanged bytes of the group of experts, a step
  double counts = 0;      ///< gathered bytes of that group, a step
  double collective = 0;  ///< gradients and weights, a step
};

training::TokenSource random_tokens(storage::FileSystem& files, const storage::Path& path,
                                    const model::ModelConfig& model) {
  std::vector<std::int32_t> tokens;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const auto word = philox({.seed = 3, .purpose = RandomPurpose::test}, i)[0];
    tokens.push_back(
        static_cast<std::int32_t>(word % static_cast<std::uint32_t>(model.vocabulary)));
  }
  return test::write_and_open(files, path, model, tokens);
}

Measured measure_rank(const RunConfig& config, parallel::Communicator& inner, OnDevice& on) {
  const TemporaryDirectory directory;
  storage::PosixFileSystem files;
  const training::TokenSource source =
      random_tokens(files, directory.path() / "tokens.bin", config.model);
  CountingRank world(inner);
  parallel::Groups groups = parallel::make_groups(world, expert_ranks(config, world.size()));
  model::Transformer model({.config = config.model,
                            .ep = *groups.ep,
                            .total_mass = config.total_mass(),
                            .seed = config.training.seed,
                            .max_received_rows = config.parallel.max_received_rows,
                            .recompute = config.training.recompute,
                            .exact_gradients = exact_gradients(config)},
                           on.device, on.stream);
  budget::LocalBudgetLink link;
  training::Governor governor({.budget = config.total_budget(), .mode = config.budget.mode}, link);
  training::Trainer trainer({.config = config.training,
                             .optimizer = config.optimizer,
                             .model = model,
                             .groups = groups,
                             .source = source,
                             .work = on.work,
                             .governor = world.rank() == Rank(0) ? &governor : nullptr});
  for (std::int64_t step = 0; step < kSteps; ++step) (void)trainer.step(/*requests=*/0);
  const auto& ep = dynamic_cast<const CountingRank&>(*groups.ep).sent();
  const auto& edp = dynamic_cast<const CountingRank&>(*groups.edp).sent();
  return {.saved_arena = static_cast<double>(on.saved.peak().value),
          .rows = static_cast<double>(ep.exchanged) / kSteps,
          .counts = static_cast<double>(ep.gathered) / kSteps,
          .collective = static_cast<double>(world.sent().exchanged + edp.exchanged) / kSteps};
}

std::vector<Measured> measure(const RunConfig& config, int world) {
  std::vector<Measured> of_ranks(static_cast<std::size_t>(world));
  test::run_ranks(world, [&](parallel::Communicator& communicator, OnDevice& on) {
    of_ranks[static_cast<std::size_t>(communicator.rank().value)] =
        measure_rank(config, communicator, on);
  });
  return of_ranks;
}

double mean(const std::vector<Measured>& of_ranks, double Measured::*number) {
  double sum = 0;
  for (const Measured& one : of_ranks) sum += one.*number;
  return sum / static_cast<double>(of_ranks.size());
}

/// Prints a line of the table, and expects a tenth at most between plan and truth.
void expect_close(const char* what, double planned, double measured) {
  std::printf("  %-16s planned %12.0f  measured %12.0f  %+6.2f %%\n", what, planned, measured,
              measured == 0 ? 0.0 : 100 * (planned / measured - 1));
  EXPECT_NEAR(planned, measured, 0.1 * measured) << what;
}

void expect_plan(const RunConfig& config, int world) {
  const std::vector<Measured> of_ranks = measure(config, world);
  const TrafficEstimate traffic = estimate_traffic(config, world);
  const MemoryEstimate memory = estimate_memory(config, {.world = world});

  std::printf("%d ranks, %d experts\n", world, config.model.experts.num_experts);
  expect_close("alltoall", traffic.alltoall, mean(of_ranks, &Measured::rows));
  expect_close("counts", static_cast<double>(traffic.counts), mean(of_ranks, &Measured::counts));
  expect_close("collectives", static_cast<double>(traffic.reduce_scatter + traffic.all_gather),
               mean(of_ranks, &Measured::collective));
  expect_close("saved arena", static_cast<double>(memory.saved_arena),
               mean(of_ranks, &Measured::saved_arena));
}

/// Scratch is not compared here: a run measures its peak there first, with matrices that are larger
/// than all that this model needs. tests/integration does it.
RunConfig small_run() {
  RunConfig config;
  config.model.vocabulary = 512;
  config.model.positions = 64;
  config.model.layers = 2;
  config.model.hidden = 64;
  config.model.experts = {.num_experts = 16, .inner = 64};
  config.training.steps = kSteps;
  config.training.lanes = 4;
  config.training.lane_sequences = 6;
  config.budget.total = 4.0;
  config.budget.mode = budget::Mode::quota;
  return config;
}

TEST(PlanAndTrainer, AgreeOnTwoRanks) {
  expect_plan(small_run(), 2);
}

TEST(PlanAndTrainer, AgreeOnFourRanksWithManySmallExperts) {
  RunConfig config = small_run();
  config.model.experts = {.num_experts = 64, .inner = 16};

  expect_plan(config, 4);
}

TEST(PlanAndTrainer, AgreeOnReplicasOfExperts) {
  RunConfig config = small_run();
  config.parallel.expert_parallel = 2;

  expect_plan(config, 4);
}

TEST(PlanAndTrainer, AgreeOnExactGradients) {
  RunConfig config = small_run();
  config.training.determinism = Determinism::layout_invariant;

  expect_plan(config, 2);
}

TEST(PlanAndTrainer, AgreeOnBlocksThatAreRecomputed) {
  RunConfig config = small_run();
  config.training.recompute = model::Recompute::block;

  expect_plan(config, 2);
}

TEST(PlanAndTrainer, AgreeOnLayersInWaves) {
  RunConfig config = small_run();
  config.parallel.max_received_rows = 300;

  expect_plan(config, 2);
}

TEST(PlanAndTrainer, AgreeOnAMostlyDenseModel) {
  RunConfig config = small_run();
  config.model.layers = 4;
  config.model.dense_layers = 3;
  config.model.dense_inner = 256;
  config.budget.total = 2.0;

  expect_plan(config, 2);
}

}  // namespace
}  // namespace softmoe::launcher
