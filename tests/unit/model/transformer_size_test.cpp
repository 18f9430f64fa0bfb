#include "model/transformer_size.h"

#include <gmock/gmock.h>

#include "model/gradient_format.h"
#include "model/transformer.h"
#include "parallel/local/local_world.h"
#include "tests/support/local_world.h"
#include "tests/support/on_device.h"
#include "tests/support/tiny_model.h"

namespace softmoe::model {
namespace {

using test::OnDevice;

constexpr double kTotalMass = 4.0;
constexpr std::int64_t kSequences = 4;
constexpr std::int64_t kPositions = 16;

struct Peaks {
  std::int64_t saved = 0;
  std::int64_t scratch = 0;
};

struct Case {
  ModelConfig config = test::tiny_config();
  int exchange_chunks = 1;
  std::int64_t max_received_rows = 0;
  Recompute recompute = Recompute::none;
  std::vector<std::int64_t> quota_L;
  Determinism determinism = Determinism::repeatable;
};

std::optional<FixedPoint> exact_gradients(const Case& given) {
  if (given.determinism == Determinism::repeatable) return std::nullopt;
  return gradient_format(kSequences * kPositions, 1);
}

/// Runs a lane of one rank for real, and on paper with the rows that it had.
std::pair<Peaks, Peaks> real_and_on_paper(const Case& given, parallel::Communicator& ep,
                                          OnDevice& on) {
  Transformer model({.config = given.config,
                     .ep = ep,
                     .total_mass = kTotalMass,
                     .seed = 7,
                     .exchange_chunks = given.exchange_chunks,
                     .max_received_rows = given.max_received_rows,
                     .recompute = given.recompute,
                     .exact_gradients = exact_gradients(given)},
                    on.device, on.stream);
  const Batch batch = test::tiny_batch(on, given.config, kSequences, kPositions);
  const TensorView loss = on.upload<double>({0.0}, {1});
  model.begin_step({.alpha = 1.0, .lambda = 0.0}, on.stream);
  const std::int64_t saved_before = on.saved.used().value;
  model.add_loss_and_gradient(batch, {.seed = 7, .quota_L = given.quota_L}, loss, on.work);
  on.stream.synchronize();
  on.exchange.synchronize();

  std::vector<experts::LayerRows> rows_L;
  for (int layer = 0; layer < given.config.moe_layers(); ++layer) {
    const experts::MoeTraffic traffic = model.moe(layer).traffic();
    rows_L.push_back({.k = model.routing().means()[static_cast<std::size_t>(layer)],
                      .rows_sent = traffic.rows_sent,
                      .rows_received = traffic.rows_received,
                      .waves = traffic.waves});
  }
  WorkspaceMeasure work;
  measure_lane(given.config,
               {.sequences = kSequences,
                .positions = kPositions,
                .expert_parallel = ep.size(),
                .exchange_chunks = given.exchange_chunks,
                .recompute = given.recompute,
                .has_quota = !given.quota_L.empty(),
                .determinism = given.determinism,
                .rows_L = rows_L},
               work);
  return {{on.saved.peak().value - saved_before, on.scratch.peak().value},
          {work.saved.peak().value, work.scratch.peak().value}};
}

void expect_equal(const Case& given, parallel::Communicator& ep, OnDevice& on) {
  const auto [real, on_paper] = real_and_on_paper(given, ep, on);

  EXPECT_EQ(on_paper.saved, real.saved);
  EXPECT_EQ(on_paper.scratch, real.scratch);
}

void expect_equal_alone(const Case& given) {
  test::run_ranks(
      1, [&](parallel::Communicator& world, OnDevice& on) { expect_equal(given, world, on); });
}

TEST(TransformerSize, IsWhatALaneTakes) {
  expect_equal_alone({});
}

TEST(TransformerSize, KnowsALargeVocabulary) {
  // The logits of a chunk of tokens are the most of scratch.
  Case given;
  given.config.vocabulary = 4000;

  expect_equal_alone(given);
}

TEST(TransformerSize, KnowsTheKindsOfRouters) {
  for (const auto kind :
       {router::RouterKind::softmoe, router::RouterKind::top_k, router::RouterKind::hash}) {
    for (const auto normalisation :
         {router::ScoreNormalisation::off, router::ScoreNormalisation::token}) {
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << ", normalisation "
                                      << static_cast<int>(normalisation));
      Case given;
      given.config.router.kind = kind;
      given.config.router.normalisation = normalisation;

      expect_equal_alone(given);
    }
  }
}

TEST(TransformerSize, LeavesOutNoMoreThanTheTablesOfKernels) {
  // Scores of all experts outweigh the rows of the few that run: the router's kernels stand
  // highest.
  test::run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    Case given;
    given.config.experts = {.num_experts = 256, .inner = 4};
    given.config.router.kind = router::RouterKind::top_k;
    given.config.router.top_k = 1;
    const auto [real, on_paper] = real_and_on_paper(given, world, on);

    constexpr std::int64_t kTables = 3 * 64 * 256;  // three vectors of 64 bytes for each expert
    EXPECT_EQ(on_paper.saved, real.saved);
    EXPECT_LE(on_paper.scratch, real.scratch);
    EXPECT_GE(on_paper.scratch + kTables, real.scratch);
  });
}

TEST(TransformerSize, KnowsQuotas) {
  Case given;
  given.quota_L = {2 * kSequences * kPositions, 2 * kSequences * kPositions};

  expect_equal_alone(given);
}

TEST(TransformerSize, KnowsAModelWithoutDenseLayers) {
  Case given;
  given.config.dense_layers = 0;
  given.config.shared_inner = 0;

  expect_equal_alone(given);
}

TEST(TransformerSize, IsWhatALaneTakesOnEveryRank) {
  test::run_ranks(
      2, [&](parallel::Communicator& world, OnDevice& on) { expect_equal({}, world, on); });
}

TEST(TransformerSize, KnowsContributionsToExactGradients) {
  for (const int vocabulary : {11, 400, 4000}) {
    for (const int inner : {5, 64, 512}) {
      SCOPED_TRACE(testing::Message() << "vocabulary " << vocabulary << ", inner " << inner);
      Case given;
      given.config.vocabulary = vocabulary;
      given.config.experts.inner = inner;
      given.determinism = Determinism::layout_invariant;

      expect_equal_alone(given);
      test::run_ranks(
          2, [&](parallel::Communicator& world, OnDevice& on) { expect_equal(given, world, on); });
    }
  }
}

TEST(TransformerSize, KnowsContributionsOfAWideDenseModel) {
  Case given;
  given.config.dense_inner = 300;
  given.determinism = Determinism::layout_invariant;

  expect_equal_alone(given);
}

TEST(TransformerSize, KnowsBlocksThatAreRecomputed) {
  for (const int shared_inner : {0, 5}) {
    Case given;
    given.config.shared_inner = shared_inner;
    given.recompute = Recompute::block;

    expect_equal_alone(given);
    test::run_ranks(
        2, [&](parallel::Communicator& world, OnDevice& on) { expect_equal(given, world, on); });
  }
}

TEST(TransformerSize, KnowsWaves) {
  for (const Recompute recompute : {Recompute::none, Recompute::block}) {
    Case given;
    given.max_received_rows = 40;
    given.recompute = recompute;

    expect_equal_alone(given);
    test::run_ranks(
        2, [&](parallel::Communicator& world, OnDevice& on) { expect_equal(given, world, on); });
  }
}

TEST(TransformerSize, OfWavesAndRecomputationIsLess) {
  // Wide experts: what is received is most of it.
  test::run_ranks(1, [](parallel::Communicator& world, OnDevice& on) {
    Case given;
    given.config.experts = {.num_experts = 4, .inner = 64};
    const auto sum = [&](const Case& of) {
      OnDevice fresh;
      const Peaks real = real_and_on_paper(of, world, fresh).first;
      return real.saved + real.scratch;
    };
    const std::int64_t at_once = sum(given);
    given.max_received_rows = 16;
    const std::int64_t in_waves = sum(given);
    given.recompute = Recompute::block;
    const std::int64_t recomputed = sum(given);

    EXPECT_LT(in_waves, at_once / 2);
    EXPECT_LT(recomputed, in_waves);
    on.stream.synchronize();
  });
}

TEST(TransformerSize, IsNotFarFromExpertsInChunks) {
  // A chunk has its share of the rows on paper, and somewhat more or fewer in truth.
  test::run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    Case given;
    given.exchange_chunks = 2;
    const auto [real, on_paper] = real_and_on_paper(given, world, on);

    EXPECT_EQ(on_paper.saved, real.saved);
    EXPECT_NEAR(static_cast<double>(on_paper.scratch), static_cast<double>(real.scratch),
                0.05 * static_cast<double>(real.scratch));
  });
}

}  // namespace
}  // namespace softmoe::model
