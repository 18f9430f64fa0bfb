// The programs of bench/ as their users run them, at sizes of milliseconds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::HasSubstr;

const Words kTiny = {
    "model.hidden=32",        "model.positions=32",          "model.vocabulary=64",
    "model.experts.inner=16", "model.experts.num_experts=8", "training.lane_sequences=4"};

class BenchPrograms : public testing::Test {
 protected:
  [[nodiscard]] Ended alone(const std::string& program, const Words& words) const {
    return run_program({.words = Words{path(program)} + words, .directory = folder_.path()});
  }
  [[nodiscard]] Ended on_ranks(int ranks, const std::string& program, const Words& words) const {
    std::istringstream mpirun(SOFTMOE_MPIRUN);
    Words all;
    for (std::string word; mpirun >> word;) all.push_back(word);
    return run_program({.words = all + Words{"-n", std::to_string(ranks), path(program)} + words,
                        .directory = folder_.path()});
  }

 private:
  static std::string path(const std::string& program) {
    return std::string(SOFTMOE_BENCH_FOLDER) + "/" + program;
  }

  TemporaryDirectory folder_;
};

/// The objects that a program printed; fails the test if it did not end well.
std::vector<nlohmann::json> objects(const Ended& ended) {
  EXPECT_EQ(ended.code, 0) << ended.output;
  std::vector<nlohmann::json> all;
  std::istringstream lines(ended.output);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("{")) all.push_back(nlohmann::json::parse(line));
  return all;
}

const nlohmann::json* find(const std::vector<nlohmann::json>& all, const std::string& workload,
                           bool is_placed) {
  for (const nlohmann::json& one : all)
    if (one["workload"] == workload && one["placed"] == is_placed) return &one;
  return nullptr;
}

TEST_F(BenchPrograms, TrainStepReportsEveryKindOfSteps) {
  const Words words = Words{"--workload", "all",     "--ceiling", "--json",   "--steps",
                            "8",          "--block", "4",         "--warmup", "1"} +
                      kTiny;

  const auto all = objects(alone("train_step", words));

  EXPECT_EQ(all.size(), 15u);
  for (const nlohmann::json& one : all) {
    EXPECT_EQ(one["program"], "train_step");
    EXPECT_EQ(one["steps"], 8);
    EXPECT_EQ(one["tokens_per_step"], 256);
    if (one["workload"] != "natural") {
      EXPECT_EQ(one["rows_per_token"], 8.0);
    }
    EXPECT_GE(one["step_seconds_median"], one["step_seconds_min"]);
    EXPECT_GT(one["ceiling_seconds_median"], 0.0);
    EXPECT_GT(one["phase_seconds"]["experts"], 0.0);
    EXPECT_GT(one["peak_bytes"], 0);
  }
  EXPECT_EQ((*find(all, "W0", false))["expert_skew"], 1.0);
  EXPECT_EQ((*find(all, "W1", false))["expert_skew"], 4.0);
}

TEST_F(BenchPrograms, TrainStepUnderMpirunPrintsOnceAndShowsWhatPlacementWinsBack) {
  const Words words =
      Words{"--workload", "W2,W2+placed", "--json", "--steps", "2", "--warmup", "0"} + kTiny;

  const auto all = objects(on_ranks(2, "train_step", words));

  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["ranks"], 2);
  EXPECT_EQ(all[0]["rank_skew"], 1.5);
  EXPECT_EQ(all[1]["rank_skew"], 1.0);
  EXPECT_EQ(all[1]["placed"], true);
}

TEST_F(BenchPrograms, TrainStepWithTopkRunsExactlyTheBudget) {
  const auto all = objects(alone(
      "train_step", Words{"--routing", "topk", "--json", "--steps", "2", "--warmup", "1"} + kTiny));

  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["routing"], "topk");
  EXPECT_EQ(all[0]["rows_per_token"], 8.0);
  EXPECT_FALSE(all[0].contains("ceiling_seconds_median"));
}

TEST_F(BenchPrograms, CeilingSplitsAPass) {
  for (const Ended& ended :
       {alone("ceiling", Words{"--json", "--passes", "2", "runtime.threads=2"} + kTiny),
        on_ranks(2, "ceiling", Words{"--json", "--passes", "2"} + kTiny)}) {
    const auto all = objects(ended);

    ASSERT_EQ(all.size(), 1u);
    for (const char* part : {"linear", "experts", "attention", "elementwise", "optimizer"})
      EXPECT_GT(all[0]["part_seconds"][part], 0.0) << part;
    EXPECT_GT(all[0]["fma_peak_gflops"], all[0]["gflops"]);
  }
}

TEST_F(BenchPrograms, MoeLayerHasNoWrongElements) {
  const Words words = Words{"--workload", "all", "--json", "--repeats", "2"} + kTiny;
  for (const Ended& ended :
       {alone("moe_layer", words), alone("moe_layer", Words{"--ranks", "2"} + words),
        on_ranks(2, "moe_layer", words)}) {
    const auto all = objects(ended);

    EXPECT_EQ(all.size(), 14u);
    for (const nlohmann::json& one : all) {
      EXPECT_EQ(one["wrong_elements"], 0) << one.dump();
      EXPECT_GT(one["checked_elements"], 0);
    }
  }
}

TEST_F(BenchPrograms, ExpertGemmsComparesEveryDistribution) {
  const auto all = objects(alone("expert_gemms", Words{"--json", "--repeats", "2"} + kTiny));

  EXPECT_EQ(all.size(), 8u);  // four distributions, one and two threads
  for (const nlohmann::json& one : all) EXPECT_GT(one["grouped_ratio_median"], 0.0);
}

TEST_F(BenchPrograms, RefuseWhatThereIsNot) {
  const Ended shape = alone("train_step", {"--shape", "nine"});
  const Ended workload = alone("moe_layer", {"--workload", "W8"});
  const Ended flag = alone("ceiling", {"--fast"});
  const Ended threads = on_ranks(2, "moe_layer", {"--ranks", "2"});
  const Ended crowded = alone(
      "train_step",
      Words{"--workload", "W5", "budget.total=26", "model.router.layer_means=uniform"} + kTiny);

  EXPECT_EQ(shape.code, 78);
  EXPECT_THAT(shape.output, HasSubstr("take demo, eight or sixty_four"));
  EXPECT_EQ(workload.code, 78);
  EXPECT_THAT(workload.output, HasSubstr("W0 to W7"));
  EXPECT_EQ(flag.code, 64);
  EXPECT_EQ(threads.code, 78);
  EXPECT_EQ(crowded.code, 78);
  EXPECT_THAT(crowded.output, HasSubstr("do not fit"));
}

}  // namespace
}  // namespace softmoe::test
