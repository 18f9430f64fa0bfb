#include "training/evaluation.h"

#include <gmock/gmock.h>

#include <cmath>

#include "runtime/base/philox.h"
#include "runtime/ops/elementwise.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/training/model_on_ranks.h"

namespace softmoe::training {
namespace {

using test::Layout;
using test::ModelOnRanks;
using test::OnDevice;
using testing::DoubleNear;
using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;

constexpr int kPositions = 6;
constexpr model::RoutingControl kControl = {.alpha = 0.8, .lambda = 0.1};

class EvaluationTest : public testing::Test {
 protected:
  EvaluationTest() : source_(write(directory_ / "validation.bin")) {}

  /// 11 sequences and a rest.
  TokenSource write(const storage::Path& path) {
    const int vocabulary = test::tiny_config().vocabulary;
    std::vector<std::int32_t> tokens(11 * kPositions + 3);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<std::int32_t>(philox({.seed = 8}, i)[0] % 11);
    }
    TokenFileWriter writer(files_, path, TokenFormat::llmc, vocabulary);
    writer.append(tokens);
    writer.finish();
    return {TokenStream(files_, {path}, TokenFormat::llmc), kPositions, vocabulary};
  }

  [[nodiscard]] Evaluator::Parts parts(ModelOnRanks& m, int lane_sequences) const {
    return {.model = m.model,
            .world = m.groups.world,
            .source = source_,
            .work = m.on.work,
            .lane_sequences = lane_sequences};
  }

  /// The result of rank 0; the others' must be the same.
  [[nodiscard]] Evaluation evaluate_on(const Layout& layout, int lane_sequences,
                                       std::optional<std::int64_t> max_sequences) const {
    std::vector<Evaluation> results(static_cast<std::size_t>(layout.world));
    test::run_ranks(layout.world, [&](parallel::Communicator& world, OnDevice& on) {
      ModelOnRanks m(world, layout.expert_parallel, on);
      m.sharpen(2);
      Evaluator evaluator(parts(m, lane_sequences));
      results[static_cast<std::size_t>(world.rank().value)] =
          evaluator.evaluate(kControl, max_sequences);
    });
    for (const Evaluation& result : results) {
      EXPECT_EQ(result.loss, results[0].loss);
      EXPECT_EQ(result.experts_per_token_L, results[0].experts_per_token_L);
    }
    return results[0];
  }

  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
  TokenSource source_;
};

TEST_F(EvaluationTest, IsTheMeanOverTheTokensOfAllSequences) {
  test::run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    ModelOnRanks m(world, 1, on);
    m.sharpen(2);
    LaneLoader loader(source_, 1, on.device);
    const View<double> sum = on.upload<double>({0.0});
    m.model.begin_step(kControl, on.stream);
    for (std::int64_t sequence = 0; sequence < source_.num_sequences(); ++sequence) {
      m.model.add_loss(loader.load({&sequence, 1}, 0, on.stream),
                       {.mode = router::RouteMode::inference}, {sum, Shape{1}}, on.work);
    }
    const double expected = on.download(sum)[0] / (11 * kPositions);

    const Evaluation evaluation = Evaluator(parts(m, 3)).evaluate(kControl, std::nullopt);

    EXPECT_EQ(evaluation.sequences, 11);
    EXPECT_EQ(evaluation.tokens, 11 * kPositions);
    EXPECT_NEAR(evaluation.loss, expected, 1e-6 * expected);
    EXPECT_DOUBLE_EQ(evaluation.perplexity(), std::exp(evaluation.loss));
  });
}

TEST_F(EvaluationTest, GivesAModelWithoutKnowledgeTheLogarithmOfItsVocabulary) {
  test::run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    ModelOnRanks m(world, 1, on);
    ops::fill_zero(m.model.parameters().values(model::Space::dense), on.stream);

    const Evaluation evaluation = Evaluator(parts(m, 2)).evaluate(kControl, 5);

    EXPECT_NEAR(evaluation.loss, std::log(11.0), 1e-6);
    EXPECT_NEAR(evaluation.perplexity(), 11.0, 1e-5);
  });
}

TEST_F(EvaluationTest, IsTheSameOnAnyNumberOfRanks) {
  const Evaluation alone = evaluate_on({}, 2, std::nullopt);

  for (const Layout& layout : {Layout{2, 1}, Layout{2, 2}, Layout{4, 2}, Layout{4, 4}}) {
    const Evaluation evaluation = evaluate_on(layout, 2, std::nullopt);

    SCOPED_TRACE(testing::Message()
                 << layout.world << " ranks, experts over " << layout.expert_parallel);
    EXPECT_EQ(evaluation.tokens, alone.tokens);
    EXPECT_NEAR(evaluation.loss, alone.loss, 1e-6 * alone.loss);
    EXPECT_EQ(evaluation.experts_per_token_L, alone.experts_per_token_L);
    EXPECT_EQ(evaluation.soft_mass_L, alone.soft_mass_L);
  }
}

TEST_F(EvaluationTest, IsTheSameForAnyLane) {
  const Evaluation one = evaluate_on({}, 1, 7);
  const Evaluation many = evaluate_on({}, 16, 7);

  EXPECT_NEAR(many.loss, one.loss, 1e-6 * one.loss);
  EXPECT_EQ(many.tokens, one.tokens);
}

TEST_F(EvaluationTest, ReadsTheFirstSequencesOnly) {
  const Evaluation some = evaluate_on({}, 2, 3);
  const Evaluation all = evaluate_on({}, 2, 11);
  const Evaluation more_than_all = evaluate_on({}, 2, 1'000);

  EXPECT_EQ(some.sequences, 3);
  EXPECT_NE(some.loss, all.loss);
  EXPECT_EQ(more_than_all.sequences, 11);
  EXPECT_EQ(more_than_all.loss, all.loss);
}

TEST_F(EvaluationTest, RunsOnMoreRanksThanThereAreSequences) {
  const Evaluation alone = evaluate_on({}, 2, 1);
  const Evaluation spread = evaluate_on({.world = 4, .expert_parallel = 4}, 2, 1);

  EXPECT_EQ(spread.tokens, kPositions);
  EXPECT_NEAR(spread.loss, alone.loss, 1e-6 * alone.loss);
}

TEST_F(EvaluationTest, CountsTheExpertsThatRanUnderTheShiftGiven) {
  test::run_ranks(2, [&](parallel::Communicator& world, OnDevice& on) {
    ModelOnRanks m(world, 2, on);
    Evaluator evaluator(parts(m, 2));

    const Evaluation strict = evaluator.evaluate({.alpha = 0.8, .lambda = 50.0}, std::nullopt);
    const Evaluation usual = evaluator.evaluate(kControl, std::nullopt);
    const Evaluation open = evaluator.evaluate({.alpha = 0.8, .lambda = -50.0}, std::nullopt);

    // Nothing is above the surface: the floor of one. Everything is: the cap, ceil(1.5 * 2).
    EXPECT_THAT(strict.experts_per_token_L, testing::ElementsAre(1.0, 1.0));
    EXPECT_THAT(open.experts_per_token_L, testing::ElementsAre(3.0, 3.0));
    EXPECT_GT(usual.experts_per_token(), 2.0);
    EXPECT_LT(usual.experts_per_token(), 6.0);
    EXPECT_THAT(usual.soft_mass_L, testing::AllOf(SizeIs(2), Each(DoubleNear(1.5, 1e-12))));
  });
}

TEST_F(EvaluationTest, LeavesWeightsAndGradientsAsTheyAre) {
  test::run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    ModelOnRanks m(world, 1, on);
    const auto before = m.tensors();
    const TensorView gradients = m.model.parameters().gradients(model::Space::expert);
    const std::vector<float> ones(static_cast<std::size_t>(gradients.elements()), 1.0F);
    softmoe::upload(std::span<const float>(ones), gradients.as<float>(), on.stream);

    (void)Evaluator(parts(m, 4)).evaluate(kControl, std::nullopt);

    EXPECT_EQ(m.tensors(), before);
    EXPECT_THAT(on.download<float>(gradients), Each(1.0F));
  });
}

TEST_F(EvaluationTest, RefusesToMeasureNothing) {
  test::run_ranks(1, [&](parallel::Communicator& world, OnDevice& on) {
    ModelOnRanks m(world, 1, on);
    Evaluator evaluator(parts(m, 1));

    EXPECT_THAT([&] { (void)evaluator.evaluate(kControl, 0); },
                ThrowsMessage<InvalidArgument>(HasSubstr("over 0 sequences")));
  });
}

}  // namespace
}  // namespace softmoe::training
