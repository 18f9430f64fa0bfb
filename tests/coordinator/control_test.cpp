// `softmoe ctl` from a second terminal, on runs that carry their coordinator within and on others.

#include <gmock/gmock.h>

#include "tests/coordinator/supervised_run.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

/// A run that goes on for as long as a test may need, with its coordinator in rank 0.
Command long_run(const Workplace& place, int ranks, const Words& overrides = {}) {
  return place.by_mpirun(
      ranks,
      Words{"train", "-c", "config.yaml", "run.folder=run", "training.steps=100000"} + overrides);
}

/// The status of the run in `run/`, once rank 0 has reported and all ranks are there.
json running_status(const Workplace& place) {
  const auto deadline = std::chrono::steady_clock::now() + 90s;
  while (std::chrono::steady_clock::now() < deadline) {
    const Ended ended = place.softmoe({"ctl", "status", "run", "--json"});
    if (ended.code == 0) {
      json status = json::parse(ended.output);
      const auto is_alive = [](const json& rank) { return rank["state"] == "alive"; };
      if (status["last_record"] > 3 &&
          std::all_of(status["ranks"].begin(), status["ranks"].end(), is_alive)) {
        return status;
      }
    }
  }
  ADD_FAILURE() << "the run did not come up";
  return {};
}

TEST(Control, FindsTheCoordinatorOfARunInItsFolder) {
  const Workplace place;
  RunningProgram run(long_run(place, 2), 120s);

  const json status = running_status(place);
  const Ended shown = place.softmoe({"ctl", "status", "run"});
  const Ended watched =
      place.softmoe({"ctl", "watch", "run", "--every", "0.05", "--count", "3", "--json"});
  const Ended drained = place.softmoe({"ctl", "drain", "run", "--yes"});
  const Ended trained = run.wait();

  EXPECT_THAT(status["ranks"], SizeIs(2));
  EXPECT_EQ(status["run"]["world"], 2);
  EXPECT_THAT(status["budget"]["executed"], SizeIs(2));
  EXPECT_THAT(shown.output, AllOf(HasSubstr("budget 4, mode servo"), HasSubstr("learned mean k"),
                                  HasSubstr("alive"), HasSubstr("0 disagreed")));
  EXPECT_EQ(std::count(watched.output.begin(), watched.output.end(), '\n'), 3);
  EXPECT_EQ(drained.code, 0) << drained.output;
  EXPECT_EQ(trained.code, 75) << trained.output;
  EXPECT_THAT(trained.output, HasSubstr("coordinator: in rank 0, at 127.0.0.1:"));
}

TEST(Control, AsksForACheckpointWhileTheRunGoesOn) {
  const Workplace place;
  RunningProgram run(long_run(place, 2), 120s);
  running_status(place);

  const Ended asked = place.softmoe({"ctl", "checkpoint", "run"});

  EXPECT_EQ(asked.code, 0) << asked.output;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!exists(place / "run/model.safetensors")) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  const std::int64_t step = running_status(place)["last_record"];
  EXPECT_EQ(place.softmoe({"ctl", "drain", "run", "--yes"}).code, 0);
  EXPECT_EQ(run.wait().code, 75);
  EXPECT_GT(read_json_lines(place / "run/metrics.jsonl").size(), static_cast<std::size_t>(step));
}

TEST(Control, WillNotDrainUnlessItIsTold) {
  const Workplace place;
  RunningProgram run(long_run(place, 1), 120s);
  running_status(place);

  const Ended drained = place.softmoe({"ctl", "drain", "run"});

  EXPECT_EQ(drained.code, 78);
  EXPECT_THAT(drained.output, HasSubstr("add --yes"));
  EXPECT_THAT(running_status(place)["pending_requests"], SizeIs(0));
}

TEST(Control, IsRefusedWhatTheRunCannotHoldInTheCoordinatorsWords) {
  const Workplace place;
  RunningProgram run(long_run(place, 1), 120s);
  running_status(place);
  const auto refused = [&](const Words& words) {
    const Ended ended = place.softmoe(Words{"ctl", "set-budget", "run"} + words);
    EXPECT_EQ(ended.code, 77) << ended.output;
    EXPECT_EQ(count_errors(ended), 1) << ended.output;
    return ended.output;
  };

  EXPECT_THAT(refused({"--total", "0.5"}), HasSubstr("0.5"));
  EXPECT_THAT(refused({"--total", "500"}), HasSubstr("16"));
  EXPECT_THAT(refused({"--layer-costs", "1,1,1"}), HasSubstr("3"));
  EXPECT_THAT(refused({"--total", "5", "--at", "1"}), HasSubstr("step"));
  EXPECT_EQ(running_status(place)["budget"]["in_force"]["revision"], 0);
}

TEST(Control, ChangesTheTemperatureByASchedule) {
  const Workplace place;
  RunningProgram run(long_run(place, 2), 120s);
  const std::int64_t now = running_status(place)["last_record"];
  const std::string from = std::to_string(now + 1000);

  const Ended changed = place.softmoe({"ctl", "set-alpha", "run", "--alpha", "1", "--to", "0.5",
                                       "--steps", "50", "--at", from, "--json"});

  ASSERT_EQ(changed.code, 0) << changed.output;
  const std::int64_t begin = json::parse(changed.output)["set_points"]["from"];
  EXPECT_EQ(begin, now + 1000);
  for (;;) {
    const json status = running_status(place);
    if (status["last_record"].get<std::int64_t>() > begin + 60) break;
  }
  EXPECT_EQ(place.softmoe({"ctl", "drain", "run", "--yes"}).code, 0);
  EXPECT_EQ(run.wait().code, 75);
  const std::vector<json> metrics = read_json_lines(place / "run/metrics.jsonl");
  const auto alpha_of = [&](std::int64_t step) {
    return metrics.at(static_cast<std::size_t>(step))["alpha"].get<double>();
  };
  EXPECT_EQ(alpha_of(begin), 1.0);
  EXPECT_NEAR(alpha_of(begin + 25), 0.75, 1e-12);
  EXPECT_EQ(alpha_of(begin + 50), 0.5);
  EXPECT_EQ(alpha_of(begin + 60), 0.5);
}

TEST(Control, SaysWhatIsMissingWhereNobodyAnswers) {
  const Workplace place;

  const Ended nowhere = place.softmoe({"ctl", "status"});
  const Ended no_folder = place.softmoe({"ctl", "status", "no-such-run"});
  const Ended nobody = place.softmoe({"ctl", "status", "--address", "127.0.0.1:1", "--insecure"});

  EXPECT_EQ(nowhere.code, 78);
  EXPECT_THAT(nowhere.output, HasSubstr("which coordinator?"));
  EXPECT_EQ(no_folder.code, 78) << no_folder.output;
  EXPECT_THAT(no_folder.output, HasSubstr("no-such-run"));
  EXPECT_EQ(nobody.code, 75) << nobody.output;
  EXPECT_THAT(nobody.output, HasSubstr("127.0.0.1:1"));
}

TEST(Coordinator, RefusesRanksOfAnotherConfigurationAndTheyGoOnWithoutIt) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2, {"run.id=mine"});

  const Ended trained = run_program(supervised_train(
      place, 2, "run", {"run.id=mine", "training.steps=30", "optimizer.learning_rate=1e-3"}));

  EXPECT_EQ(trained.code, 0) << trained.output;
  EXPECT_THAT(trained.output, HasSubstr("configuration"));
  const json status = status_of(place).value();
  EXPECT_GE(status["refusals"]["configuration"].get<int>(), 1);
  EXPECT_EQ(status["ranks"][0]["state"], "absent");
}

TEST(Coordinator, NeedsToKnowTheWorldAndAFolder) {
  const Workplace place;

  const Ended no_world =
      place.softmoe({"coordinator", "-c", "config.yaml", "coordinator.folder=coordinator"});
  const Ended no_folder =
      place.softmoe({"coordinator", "-c", "config.yaml", "--expect-world", "2"});

  EXPECT_EQ(no_world.code, 78);
  EXPECT_THAT(no_world.output, HasSubstr("--expect-world"));
  EXPECT_EQ(no_folder.code, 78);
  EXPECT_THAT(no_folder.output, HasSubstr("coordinator.folder"));
}

TEST(Coordinator, KeepsItsFolderToItself) {
  const Workplace place;
  CoordinatorProcess first(place, 2);

  const Ended second = place.softmoe({"coordinator", "-c", "config.yaml", "--expect-world", "2",
                                      "coordinator.folder=coordinator"});

  EXPECT_NE(second.code, 0);
  EXPECT_THAT(second.output, HasSubstr("coordinator"));
  EXPECT_EQ(first.end().code, 0);
}

}  // namespace
}  // namespace softmoe::test
