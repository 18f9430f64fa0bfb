// The budget under a coordinator of its own: held while it is changed live, exact as a quota, and a
// run that is repeated from its log.

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/coordinator/supervised_run.h"

namespace softmoe::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

/// (C - B) / B of the steps [begin, end) of a run.
std::vector<double> errors_of(const std::vector<json>& metrics, std::size_t begin,
                              std::size_t end) {
  std::vector<double> errors;
  for (std::size_t step = begin; step < end; ++step) {
    const double target = metrics.at(step)["budget_target"];
    errors.push_back((metrics.at(step)["budget_used"].get<double>() - target) / target);
  }
  return errors;
}

double mean_of(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

double rms_of(const std::vector<double>& numbers) {
  return std::sqrt(std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0.0) /
                   static_cast<double>(numbers.size()));
}

std::size_t first_step_with(const std::vector<json>& metrics, double budget) {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const json& step) {
    return step["budget_target"] == budget;
  });
  return static_cast<std::size_t>(found - metrics.begin());
}

std::int64_t step_of_change(const Ended& ended) {
  EXPECT_EQ(ended.code, 0) << ended.output;
  return json::parse(ended.output)["set_points"]["from"];
}

TEST(SupervisedBudget, IsHeldByFourRanksWhileItIsChangedLiveTwice) {
  const Workplace place;
  const Words steps = {"training.steps=900"};
  CoordinatorProcess coordinator(place, 4, steps);
  RunningProgram run(supervised_train(place, 4, "run", steps), std::chrono::seconds(250));

  wait_for_step(place, 200);
  const std::int64_t lower = step_of_change(ctl(place, "set-budget", {"--total", "3", "--json"}));
  wait_for_step(place, lower + 200);
  const std::int64_t higher =
      step_of_change(ctl(place, "set-budget", {"--total", "5.5", "--json"}));
  const json status = wait_for_step(place, higher + 200);
  const Ended drained = ctl(place, "drain", {"--yes"});
  const Ended trained = run.wait();

  ASSERT_EQ(drained.code, 0) << drained.output;
  EXPECT_EQ(trained.code, 75) << trained.output;
  EXPECT_EQ(status["budget"]["in_force"]["revision"], 2);
  EXPECT_EQ(status["audit"]["disagreed"], 0);
  EXPECT_EQ(status["audit"]["unaudited"], 0);
  EXPECT_GE(status["audit"]["agreed"].get<std::int64_t>(), higher);
  const std::vector<json> metrics = read_json_lines(place / "run/metrics.jsonl");
  // As promised, unless the news came too late: then at the first step that was not decided.
  const std::size_t first = first_step_with(metrics, 3.0);
  const std::size_t second = first_step_with(metrics, 5.5);
  EXPECT_GE(first, static_cast<std::size_t>(lower));
  EXPECT_GE(second, static_cast<std::size_t>(higher));
  ASSERT_GE(metrics.size(), second + 150);
  // The mean over a run's first 200 steps, and the rms of the last 100 before each change.
  EXPECT_LT(std::abs(mean_of(errors_of(metrics, 0, 200))), 0.005);
  for (const std::size_t end : {first, second, second + 150}) {
    EXPECT_LT(rms_of(errors_of(metrics, end - 100, end)), 0.02) << "before step " << end;
    EXPECT_LT(std::abs(mean_of(errors_of(metrics, end - 100, end))), 0.005) << end;
  }
}

/// Rows that all layers ran, step by step.
std::vector<std::int64_t> rows_of(const std::vector<json>& metrics) {
  std::vector<std::int64_t> rows;
  for (const json& step : metrics) {
    double sum = 0;
    for (const json& layer : step["layers"]) {
      sum += layer["experts_per_token"].get<double>() * step["tokens"].get<double>();
    }
    rows.push_back(std::llround(sum));
  }
  return rows;
}

TEST(SupervisedBudget, AsAQuotaIsExactAtEveryStepOnOneTwoAndFourRanks) {
  const Workplace place;
  // 256 tokens a step: 3.7 x 256 is no whole number, so rows are carried from step to step.
  const double budget = 3.7;
  const Words quota = {"budget.mode=quota", "budget.total=3.7", "training.steps=40"};

  for (const int world : {1, 2, 4}) {
    CoordinatorProcess coordinator(
        place, world, quota + Words{"coordinator.folder=coordinator-" + std::to_string(world)});
    const Ended trained = run_program(
        supervised_train(place, world, "run-" + std::to_string(world),
                         quota + Words{"coordinator.folder=coordinator-" + std::to_string(world)}));
    ASSERT_EQ(trained.code, 0) << trained.output;

    const std::vector<std::int64_t> rows =
        rows_of(read_json_lines(place / ("run-" + std::to_string(world) + "/metrics.jsonl")));
    ASSERT_THAT(rows, SizeIs(40));
    for (std::int64_t step = 0; step < 40; ++step) {
      const auto until = [&](std::int64_t steps) {
        return static_cast<std::int64_t>(std::floor(budget * 256.0 * static_cast<double>(steps)));
      };
      ASSERT_EQ(rows[static_cast<std::size_t>(step)], until(step + 1) - until(step))
          << "step " << step << " of " << world << " ranks";
    }
  }
}

TEST(Replay, OfARunThatWasChangedLiveGivesTheSameWeights) {
  const Workplace place;
  const Words steps = {"training.steps=200"};
  CoordinatorProcess coordinator(place, 2, steps);
  RunningProgram run(supervised_train(place, 2, "run", steps), std::chrono::seconds(200));
  wait_for_step(place, 20);
  EXPECT_EQ(ctl(place, "set-budget", {"--total", "3"}).code, 0);
  EXPECT_EQ(ctl(place, "set-alpha", {"--alpha", "0.7"}).code, 0);
  const Ended trained = run.wait();
  ASSERT_EQ(trained.code, 0) << trained.output;

  const Ended replayed = place.on_ranks(2, {"train", "--replay", "run", "run.folder=again"});
  const Ended other =
      place.on_ranks(2, {"train", "--replay", "run", "run.folder=other", "training.seed=2"});
  place.train("undisturbed", steps);

  ASSERT_EQ(replayed.code, 0) << replayed.output;
  EXPECT_EQ(weights_of(place / "again/model.safetensors"),
            weights_of(place / "run/model.safetensors"));
  EXPECT_NE(weights_of(place / "undisturbed/model.safetensors"),
            weights_of(place / "run/model.safetensors"));
  EXPECT_EQ(other.code, 78) << other.output;
  EXPECT_THAT(other.output, HasSubstr("the replay is another run: step "));
}

}  // namespace
}  // namespace softmoe::test
