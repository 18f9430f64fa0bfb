// The servo holds the realised budget while a model learns real text, also where its estimate of
// the loop's gain is wrong: a gain that is 2.5 times the default pushes as if the estimate were 0.4
// of the truth, and the other way round.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "budget/servo_gains.h"
#include "tests/integration/run_program.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::test {
namespace {

constexpr int kSteps = 300;

/// (used - target) / target of every step.
std::vector<double> budget_errors(const std::filesystem::path& run) {
  std::vector<double> errors;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto step = nlohmann::json::parse(line);
    const double target = step.at("budget_target").get<double>();
    errors.push_back((step.at("budget_used").get<double>() - target) / target);
  }
  return errors;
}

class BudgetOnTheCorpus : public testing::TestWithParam<double> {};

TEST_P(BudgetOnTheCorpus, IsHeldByTheServo) {
  const std::filesystem::path source = SOFTMOE_SOURCE_DIR;
  if (!std::filesystem::exists(source / "data/demo/corpus.json")) {
    GTEST_SKIP() << "data/demo is not there: `./dev test` builds it";
  }
  const TemporaryDirectory directory;
  const std::filesystem::path run = directory / "run";
  const double gain = GetParam() * budget::gains_for(budget::kTrainerDelay).newton;

  const Ended ended = run_program(
      {.words = {SOFTMOE_PROGRAM, "train", "--config", (source / "configs/demo.yaml").string(),
                 "data.corpus=" + (source / "data/demo").string(), "run.folder=" + run.string(),
                 "training.steps=" + std::to_string(kSteps), "training.evaluate_every=0",
                 "training.sample_tokens=0", "training.lane_sequences=16", "model.hidden=64",
                 "model.experts.inner=64", "budget.newton_gain=" + std::to_string(gain)},
       .directory = source},
      std::chrono::minutes(14));

  ASSERT_EQ(ended.code, 0) << ended.output;
  const std::vector<double> errors = budget_errors(run);
  ASSERT_EQ(errors.size(), static_cast<std::size_t>(kSteps));
  double mean = 0;
  for (int step = 0; step < 200; ++step) mean += errors[static_cast<std::size_t>(step)] / 200;
  double square = 0;
  for (int step = kSteps - 100; step < kSteps; ++step) {
    square += errors[static_cast<std::size_t>(step)] * errors[static_cast<std::size_t>(step)] / 100;
  }
  RecordProperty("mean_error_percent", std::to_string(100 * mean));
  RecordProperty("rms_percent", std::to_string(100 * std::sqrt(square)));
  std::printf("mean error of steps 0-199: %.4f %%, rms of the last 100: %.3f %%\n", 100 * mean,
              100 * std::sqrt(square));
  EXPECT_LT(std::abs(mean), 0.005);
  EXPECT_LT(std::sqrt(square), 0.02);
}

INSTANTIATE_TEST_SUITE_P(GainTimes, BudgetOnTheCorpus, testing::Values(1.0, 0.4, 2.5),
                         [](const auto& times) {
                           return "Percent" + std::to_string(static_cast<int>(100 * times.param));
                         });

}  // namespace
}  // namespace softmoe::test
