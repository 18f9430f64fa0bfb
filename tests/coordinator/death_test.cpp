// kill -9 of the coordinator, with and without another in its place: no step is different by a bit,
// and no change is lost.

#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "tests/coordinator/supervised_run.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string undisturbed_weights(const Workplace& place, int ranks, const Words& overrides) {
  const Ended trained = run_program(
      place.by_mpirun(ranks,
                      Words{"train", "-c", "config.yaml", "run.folder=undisturbed"} + overrides),
      250s);
  EXPECT_EQ(trained.code, 0) << trained.output;
  return weights_of(place / "undisturbed/model.safetensors");
}

std::chrono::milliseconds any_time_up_to(std::chrono::milliseconds most, std::mt19937& random) {
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(0, most.count())(random));
}

TEST(CoordinatorDeath, AtTwentyMomentsWithAnotherInItsPlaceChangesNoWeight) {
  const Workplace place;
  const Words steps = {"training.steps=5000"};
  const std::string undisturbed = undisturbed_weights(place, 2, steps);
  std::mt19937 random(20);
  auto coordinator = std::make_unique<CoordinatorProcess>(place, 2, steps);
  RunningProgram run(supervised_train(place, 2, "run", steps), 250s);
  wait_for_step(place, 0);

  for (int death = 0; death < 20; ++death) {
    std::this_thread::sleep_for(any_time_up_to(200ms, random));
    coordinator->kill();
    std::this_thread::sleep_for(any_time_up_to(50ms, random));
    coordinator = std::make_unique<CoordinatorProcess>(place, 2, steps);
  }
  const std::int64_t deaths_until = std::ssize(read_json_lines(place / "run/metrics.jsonl"));
  const Ended trained = run.wait();
  const json status = status_of(place).value();

  ASSERT_EQ(trained.code, 0) << trained.output;
  EXPECT_LT(deaths_until, 5000) << "the run ended before the last death";
  EXPECT_EQ(status["term"], 21);
  EXPECT_EQ(status["ranks"][0]["state"], "left");
  EXPECT_GT(status["audit"]["agreed"], 10);
  EXPECT_EQ(status["audit"]["disagreed"], 0);
  EXPECT_EQ(weights_of(place / "run/model.safetensors"), undisturbed);
}

TEST(CoordinatorDeath, AtTwentyMomentsForGoodChangesNoWeight) {
  const Workplace place;
  const Words steps = {"training.steps=40"};
  const std::string undisturbed = undisturbed_weights(place, 2, steps);
  std::mt19937 random(21);

  for (int death = 0; death < 20; ++death) {
    const std::string folder = "coordinator.folder=coordinator-" + std::to_string(death);
    const std::string name = "run-" + std::to_string(death);
    CoordinatorProcess coordinator(place, 2, steps + Words{folder});
    RunningProgram run(supervised_train(place, 2, name, steps + Words{folder}), 120s);
    // From before the ranks have started to after their last step.
    std::this_thread::sleep_for(any_time_up_to(1500ms, random));
    coordinator.kill();
    const Ended trained = run.wait();

    ASSERT_EQ(trained.code, 0) << trained.output;
    ASSERT_EQ(weights_of(place / (name + "/model.safetensors")), undisturbed) << death;
  }
}

TEST(CoordinatorDeath, LosesNoChangeThatItHasAcknowledged) {
  const Workplace place;
  const Words steps = {"training.steps=5000"};
  auto coordinator = std::make_unique<CoordinatorProcess>(place, 2, steps);
  // Before there is a run, and killed with the answer on its way.
  const Ended early = ctl(place, "set-budget", {"--total", "3", "--at", "200", "--json"});
  coordinator->kill();
  ASSERT_EQ(early.code, 0) << early.output;
  coordinator = std::make_unique<CoordinatorProcess>(place, 2, steps);
  RunningProgram run(supervised_train(place, 2, "run", steps), 200s);
  wait_for_step(place, 210);
  const Ended late = ctl(place, "set-budget", {"--total", "5", "--at", "4000", "--json"});
  coordinator->kill();
  ASSERT_EQ(late.code, 0) << late.output;
  coordinator = std::make_unique<CoordinatorProcess>(place, 2, steps);
  const Ended trained = run.wait();

  ASSERT_EQ(trained.code, 0) << trained.output;
  const std::vector<json> metrics = read_json_lines(place / "run/metrics.jsonl");
  const auto budget_of = [&](std::size_t step) {
    return metrics.at(step)["budget_target"].get<double>();
  };
  EXPECT_EQ(budget_of(199), 4.0);
  EXPECT_EQ(budget_of(200), 3.0);
  EXPECT_EQ(budget_of(3999), 3.0);
  EXPECT_EQ(budget_of(4000), 5.0);
}

}  // namespace
}  // namespace softmoe::test
