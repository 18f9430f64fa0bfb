#include "training/report/run_history.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_report/run_files.h"
#include "training/telemetry.h"

namespace softmoe::training {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(RunHistory, ReadsWhatTheTrainerWrites) {
  StepResult result;
  result.record = {.in_force = {.step = Step(0), .lambda = 0.25, .alpha = 1.5, .budget = 4.0},
                   .tokens = 100,
                   .executed_L = {150, 250},
                   .soft_mass_L = {2.0, 2.5}};
  result.loss = 5.5;
  result.seconds = 2.0;
  result.layers.resize(2);
  result.layers[1].imbalance = 1.75;
  result.layers[1].loads = {10, 30};
  result.phase_seconds[static_cast<std::size_t>(Phase::experts)] = 0.5;
  RunFiles files;
  files.add("metrics.jsonl", metrics_json(result, {}) + "\n");

  const RunHistory history = files.read();

  EXPECT_EQ(history.num_steps, 1);
  EXPECT_EQ(history.tokens, 100);
  EXPECT_EQ(history.loss.last(), 5.5);
  EXPECT_EQ(history.budget_used.last(), 4.0);
  EXPECT_EQ(history.lambda.last(), 0.25);
  EXPECT_EQ(history.alpha.last(), 1.5);
  ASSERT_THAT(history.layers, SizeIs(2));
  EXPECT_EQ(history.layers[0].experts_per_token.last(), 1.5);
  EXPECT_EQ(history.layers[1].k.last(), 2.5);
  EXPECT_EQ(history.layers[1].imbalance.last(), 1.75);
  EXPECT_THAT(history.load_ratios()[1], ElementsAre(0.5, 1.5));
  EXPECT_THAT(history.phases, SizeIs(kNumPhases));
}

TEST(RunHistory, TakesWhatWasNotFiniteAsAGap) {
  StepResult result;
  result.record = {.tokens = 100, .executed_L = {}, .soft_mass_L = {}};
  result.loss = std::nan("");
  result.gradient_norm = HUGE_VAL;
  result.was_skipped = true;
  result.seconds = 1;
  RunFiles files;
  files.add("metrics.jsonl", metrics_json(result, {}) + "\n");

  const RunHistory history = files.read();

  EXPECT_EQ(history.loss.total().missing, 1);
  EXPECT_EQ(history.gradient_norm.total().missing, 1);
  EXPECT_EQ(history.skipped.total().sum, 1);
}

TEST(RunHistory, LeavesOutAHalfWrittenLastLine) {
  RunFiles files;
  files.add_steps(3, 1, 2);
  files.add("metrics.jsonl", R"({"step": 3, "loss": 7.)");
  files.add("events.jsonl", "{\"event\":\"start\",\"step\":0,\"time\":\"now\"}\n{\"eve");

  const RunHistory history = files.read();

  EXPECT_EQ(history.num_steps, 3);
  EXPECT_EQ(history.started, "now");
  EXPECT_THAT(history.remarks, Contains(HasSubstr("metrics.jsonl is half-written")));
  EXPECT_THAT(history.remarks, Contains(HasSubstr("events.jsonl is half-written")));
}

TEST(RunHistory, TakesALastLineThatOnlyLacksItsEnd) {
  RunFiles files;
  files.add_steps(3, 1, 2).add("metrics.jsonl", step_object(3, 1, 2).dump());

  EXPECT_EQ(files.read().num_steps, 4);
}

TEST(RunHistory, RefusesADamagedLineByFileAndLine) {
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"{\"step\": 2, \"lo\n", "no JSON object"},
      {"[1, 2]\n", "no JSON object"},
      {"\n", "no JSON object"},
      {std::string("\0\0\0\n", 4), "no JSON object"},
      {"{\"loss\": 1.0}\n", "step"},
      {"{\"step\": 2, \"loss\": \"low\"}\n", "number"},
      {"{\"step\": -5}\n", "step -5 is before 0"},
      {step_object(2, 3, 2).dump() + "\n", "3 layers, and those before it 1"}};
  for (const auto& [line, what] : damages) {
    RunFiles files;
    files.add_steps(2, 1, 2).add("metrics.jsonl", line);
    files.add("metrics.jsonl", step_object(3, 1, 2).dump() + "\n");

    EXPECT_THAT([&] { (void)files.read(); },
                FailsWith(StorageError::Kind::bad_format,
                          AllOf(HasSubstr("metrics.jsonl:3: "), HasSubstr(what))))
        << line;
  }
}

TEST(RunHistory, NamesTheCureOfAMissingFolderOrFile) {
  storage::PosixFileSystem files;
  const TemporaryDirectory empty;

  EXPECT_THAT(
      [&] { (void)read_run_history(files, empty / "nothing"); },
      FailsWith(StorageError::Kind::missing, AllOf(HasSubstr("nothing"), HasSubstr("name"))));
  EXPECT_THAT([&] { (void)read_run_history(files, empty.path()); },
              FailsWith(StorageError::Kind::missing,
                        AllOf(HasSubstr("no metrics.jsonl"), HasSubstr("Name the folder"))));
}

TEST(RunHistory, SaysWhichOtherFilesAreMissing) {
  RunFiles files;
  files.add_steps(1, 1, 2);

  EXPECT_THAT(files.read().remarks,
              ElementsAre(HasSubstr("events.jsonl is missing"),
                          HasSubstr("control.jsonl is missing"), HasSubstr("config.yaml is")));
}

TEST(RunHistory, OfARunWithoutStepsIsEmpty) {
  RunFiles files;
  files.add("metrics.jsonl", "");

  const RunHistory history = files.read();

  EXPECT_EQ(history.num_steps, 0);
  EXPECT_THAT(history.load_ratios(), IsEmpty());
}

TEST(RunHistory, TellsHowTheRunEnded) {
  const std::string start = "{\"event\":\"start\",\"step\":0,\"time\":\"a\",\"ranks\":4}\n";
  const std::string drained = "{\"event\":\"drained\",\"step\":9,\"time\":\"b\"}\n";
  RunFiles running;
  RunFiles left;
  RunFiles again;
  running.add_steps(1, 1, 2).add("events.jsonl", start);
  left.add_steps(1, 1, 2).add("events.jsonl", start + drained);
  again.add_steps(1, 1, 2).add("events.jsonl", start + drained + start);

  EXPECT_EQ(running.read().end, "");
  EXPECT_EQ(running.read().ranks, 4);
  EXPECT_EQ(left.read().end, "drained");
  EXPECT_EQ(left.read().last_event, "b");
  EXPECT_EQ(again.read().end, "");
}

TEST(RunHistory, KeepsEvaluationsAsACurve) {
  RunFiles files;
  files.add_steps(1, 1, 2);
  files.add("events.jsonl", "{\"event\":\"evaluation\",\"step\":200,\"loss\":4.5}\n");
  files.add("events.jsonl", "{\"event\":\"evaluation\",\"step\":400,\"loss\":null}\n");

  const RunHistory history = files.read();

  EXPECT_EQ(history.validation.last(), 4.5);
  EXPECT_EQ(history.validation.last_step(), 200);
  EXPECT_EQ(history.num_validations, 2);
  EXPECT_THAT(history.events.items(), IsEmpty());
}

TEST(RunHistory, PutsChangesOfSetPointsInWords) {
  RunFiles files;
  files.add_steps(1, 1, 2);
  files.add(
      "control.jsonl",
      R"({"set_points":{"budget":8.0,"from":0,"gains":{"debt":0.1},"mode":"servo","revision":0}})"
      "\n"
      R"({"word":{"step":0}})"
      "\n"
      R"({"set_points":{"budget":6.0,"from":450,"gains":{"debt":0.2},"mode":"servo","revision":1}})"
      "\n{\"wor");

  const RunHistory history = files.read();

  EXPECT_EQ(history.first_set_points, "mode servo, budget 8.0");
  ASSERT_THAT(history.set_points.items(), SizeIs(1));
  EXPECT_EQ(history.set_points.items()[0].step, 450);
  EXPECT_EQ(history.set_points.items()[0].details, "budget 8.0 → 6.0, gains.debt 0.1 → 0.2");
}

TEST(RunHistory, HoldsTheFirstAndTheLastOfManyEvents) {
  RunFiles files;
  files.add_steps(1, 1, 2);
  for (int step = 0; step < 1000; ++step) {
    files.add("events.jsonl", fmt::format("{{\"event\":\"saved\",\"step\":{}}}\n", step));
  }

  const RunHistory history = files.read();

  const std::vector<RunEvent> events = history.events.items();
  ASSERT_THAT(events, SizeIs(200));
  EXPECT_EQ(events.front().step, 0);
  EXPECT_EQ(events.back().step, 999);
  EXPECT_EQ(history.events.left_out(), 800);
}

TEST(RunHistory, AveragesTheLoadsOfTheLastSteps) {
  RunFiles files;
  nlohmann::json old = step_object(0, 1, 2);
  old["layers"][0]["loads"] = {1000, 0};
  files.add("metrics.jsonl", old.dump() + "\n");
  for (int step = 1; step <= 20; ++step) {
    nlohmann::json object = step_object(step, 1, 2);
    object["layers"][0]["loads"] = step % 2 == 0 ? std::vector{4, 0} : std::vector{2, 2};
    files.add("metrics.jsonl", object.dump() + "\n");
  }

  EXPECT_THAT(files.read().load_ratios()[0], ElementsAre(1.5, 0.5));
}

TEST(RoughMedian, IsRightToHalfAPercent) {
  RoughMedian median;
  EXPECT_EQ(median.value(), std::nullopt);

  for (int value = 1; value <= 1001; ++value) median.add(value * 7.0);
  median.add(std::nan(""));
  median.add(0);

  EXPECT_NEAR(median.value().value_or(0) / (501 * 7.0), 1.0, 0.005);
}

}  // namespace
}  // namespace softmoe::training
