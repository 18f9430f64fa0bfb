// `softmoe plan` and `softmoe doctor` as their users run them, and a plan against the memory of the
// run that it planned.

#include <gmock/gmock.h>

#include <cstdio>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

const Words kGiven = {"--flops-per-rank", "1e11", "--efficiency", "0.4"};
/// The servo needs some steps until the rows are those of the budget, and a peak is of the worst
/// step.
const Words kExact = {"budget.mode=quota"};

json planned(const Workplace& place, int ranks, const Words& overrides) {
  const Ended ended =
      place.softmoe(Words{"plan", "-c", "config.yaml", "--json", "--ranks", std::to_string(ranks)} +
                    kGiven + kExact + overrides);
  EXPECT_EQ(ended.code, 0) << ended.output;
  return json::parse(ended.output);
}

/// What rank 0 says at the end of a run.
json memory_of_run(const Workplace& place, int ranks, const std::string& run,
                   const Words& overrides) {
  const Words words =
      Words{"train", "-c", "config.yaml", "run.folder=" + run, "training.sample_tokens=0"} +
      kExact + overrides;
  const Command command = ranks == 1 ? place.alone(words) : place.by_mpirun(ranks, words);
  const Ended ended = run_program(command, std::chrono::seconds(150));
  EXPECT_EQ(ended.code, 0) << ended.output;
  return read_json_lines(place / (run + "/events.jsonl")).back().at("memory");
}

/// Without what MPI shares between ranks: it grows with the messages, up to 4 MiB for each rank
/// here.
double resident(const json& memory) {
  return memory.at("resident_peak").get<double>() - memory.at("shared").get<double>();
}

/// Of the plan, without the program itself.
double of_the_model(const json& plan) {
  const json& memory = plan.at("memory_bytes").at("balanced");
  return memory.at("total").get<double>() - memory.at("program").get<double>();
}

void expect_close(const char* what, double plan, double truth) {
  std::printf("  %-14s planned %7.1f MiB  measured %7.1f MiB  %+6.2f %%\n", what, plan / 1048576,
              truth / 1048576, 100 * (plan / truth - 1));
  EXPECT_NEAR(plan, truth, 0.1 * truth) << what;
}

/// Holds a plan against its run. Program and libraries are what a run of the smallest model takes
/// on as many ranks, less what the plan says of that model.
void expect_plan(const Workplace& place, int ranks, const Words& overrides) {
  const Words least = {"model.layers=1",   "model.hidden=8",        "model.heads=2",
                       "model.kv_heads=2", "model.experts.inner=8", "budget.total=2",
                       "training.steps=2"};
  const double program = resident(memory_of_run(place, ranks, "least", least)) -
                         of_the_model(planned(place, ranks, least));
  const json plan = planned(place, ranks, overrides);
  const json truth = memory_of_run(place, ranks, "run", overrides);

  const json& memory = plan.at("memory_bytes").at("balanced");
  std::printf("%d ranks; program and libraries %.1f MiB\n", ranks, program / 1048576);
  expect_close("saved arena", memory.at("saved_arena").get<double>(),
               truth.at("saved_arena").get<double>());
  expect_close("scratch arena", memory.at("scratch_arena").get<double>(),
               truth.at("scratch_arena").get<double>());
  expect_close("resident", of_the_model(plan), resident(truth) - program);
  EXPECT_NEAR(plan.at("model_file_bytes").get<double>(),
              static_cast<double>(std::filesystem::file_size(place / "run/model.safetensors")),
              0.01 * plan.at("model_file_bytes").get<double>());
}

/// The shape of configs/demo.yaml over the corpus of this folder.
const Words kDemo = {"model.vocabulary=4096",
                     "model.positions=128",
                     "model.layers=4",
                     "model.hidden=192",
                     "model.heads=4",
                     "model.kv_heads=2",
                     "model.tied_embeddings=false",
                     "model.experts.num_experts=16",
                     "model.experts.inner=192",
                     "model.router.balance=0.05",
                     "budget.total=8",
                     "training.steps=3",
                     "training.lanes=2",
                     "training.lane_sequences=8"};

TEST(PlanAndRun, AgreeOnTheDemoAlone) {
  expect_plan(Workplace(), 1, kDemo);
}

TEST(PlanAndRun, AgreeOnTheDemoOnTwoRanks) {
  expect_plan(Workplace(), 2, kDemo);
}

TEST(PlanAndRun, AgreeOnExactGradients) {
  expect_plan(Workplace(), 2, kDemo + Words{"training.determinism=layout_invariant"});
}

TEST(PlanAndRun, AgreeOnTheDemoRecomputed) {
  expect_plan(Workplace(), 1, kDemo + Words{"training.recompute=block"});
}

TEST(PlanAndRun, AgreeOnTheDemoInWaves) {
  expect_plan(Workplace(), 2, kDemo + Words{"parallel.max_received_rows=512"});
}

TEST(PlanAndRun, AgreeOnManySmallExperts) {
  expect_plan(Workplace(), 4,
              {"model.positions=128", "model.layers=2", "model.hidden=256", "model.heads=4",
               "model.kv_heads=2", "model.experts.num_experts=64", "model.experts.inner=64",
               "budget.total=8", "model.router.noise_std=4", "training.steps=3", "training.lanes=4",
               "training.lane_sequences=8"});
}

TEST(PlanAndRun, AgreeOnAMostlyDenseModel) {
  expect_plan(Workplace(), 1,
              {"model.positions=128", "model.layers=4", "model.dense_layers=3", "model.hidden=384",
               "model.heads=6", "model.kv_heads=2", "model.dense_inner=1536",
               "model.experts.num_experts=8", "model.experts.inner=384", "budget.total=2",
               "training.steps=2", "training.lanes=1", "training.lane_sequences=8"});
}

TEST(Plan, SaysWhatARunTakes) {
  const Workplace place;

  const Ended ended = place.softmoe(Words{"plan", "-c", "config.yaml", "--ranks", "2"} + kGiven);

  EXPECT_EQ(ended.code, 0) << ended.output;
  for (const char* part : {"on 2 ranks", "parameters", "gradients", "saved activations",
                           "exchange buffers", "passes over it", "FLOP a step", "rows of experts",
                           "model.safetensors", "as given (--efficiency)"}) {
    EXPECT_THAT(ended.output, HasSubstr(part));
  }
}

TEST(Plan, ShowsWhatHoldsMemoryDown) {
  const Workplace place;
  const json kept = planned(place, 2, kDemo + Words{"parallel.max_received_rows=20"});
  const json recomputed = planned(place, 2, kDemo + Words{"training.recompute=block"});

  EXPECT_EQ(kept.at("memory_choices").at("recompute"), "none");
  EXPECT_EQ(recomputed.at("memory_choices").at("recompute"), "block");
  const json& received = kept.at("memory_choices").at("received").at("balanced");
  EXPECT_GT(received.at("waves").get<int>(), 1);
  EXPECT_LE(received.at("rows_at_once").get<int>(), 20);
  EXPECT_EQ(recomputed.at("memory_choices").at("received").at("balanced").at("waves").get<int>(),
            1);
  EXPECT_GT(recomputed.at("memory_choices").at("with_other_recompute").at("balanced"),
            recomputed.at("memory_bytes").at("balanced").at("total"));
}

TEST(Plan, NamesAnEfficiencyThatNobodyGaveAnAssumption) {
  const Workplace place;

  const Ended ended = place.softmoe({"plan", "-c", "config.yaml"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, AllOf(HasSubstr("measured here"), HasSubstr("assumed")));
}

TEST(Plan, CountsTheSeriesThatPrometheusReads) {
  const Workplace place;
  const auto page = [&](const Words& overrides) {
    return planned(place, 2, kDemo + overrides).at("metrics_page");
  };

  // 102 + L (18 + 6 + 16), see training/metrics_size.h; full is 16 experts and 8 places more.
  EXPECT_EQ(page({}), (json{{"series", 102 + 4 * 40}, {"expert_detail", "buckets"}}));
  EXPECT_EQ(page({"metrics.expert_detail=full"}),
            (json{{"series", 102 + 4 * 72}, {"expert_detail", "full"}}));
  EXPECT_EQ(page({"metrics.expert_detail=full", "metrics.max_series=350"}).at("expert_detail"),
            "topk");
  EXPECT_EQ(page({"metrics.listen="}), json());
}

TEST(Plan, DoesWithoutTheCorpus) {
  const Workplace place;

  const Ended ended =
      place.softmoe(Words{"plan", "-c", "config.yaml", "data.corpus=none"} + kGiven);

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("not there yet"));
}

TEST(Plan, FailsWithTheCureWhereARunCannotFit) {
  const Workplace place;
  const Words words = Words{"plan", "-c", "config.yaml", "--memory-per-rank", "200MB"} + kGiven +
                      Words{"model.hidden=512", "model.experts.inner=1024"};

  const Ended text = place.softmoe(words);

  EXPECT_EQ(text.code, 78);
  EXPECT_THAT(text.output, AllOf(HasSubstr("does not fit"), HasSubstr("the most are"),
                                 HasSubstr("The nearest changes that fit")));
  EXPECT_EQ(count_errors(text), 1);
}

TEST(Plan, RefusesWhatTrainingRefuses) {
  const Workplace place;
  const Words bad = {"-c", "config.yaml", "model.experts.num_experts=9"};

  const Ended plan = place.softmoe(Words{"plan", "--ranks", "2"} + bad);
  const Ended train = place.on_ranks(2, Words{"train"} + bad);

  EXPECT_EQ(plan.code, 78);
  EXPECT_EQ(train.code, 78);
  EXPECT_THAT(plan.output, HasSubstr("8 or 10"));
  EXPECT_THAT(train.output, HasSubstr("8 or 10"));
}

TEST(Plan, RefusesNumbersThatAreNone) {
  const Workplace place;

  for (const Words& words :
       {Words{"--memory-per-rank", "much"}, Words{"--efficiency", "2"}, Words{"--ranks", "0"},
        Words{"--imbalance", "0.5"}, Words{"--flops-per-rank", "-1"}}) {
    EXPECT_EQ(place.softmoe(Words{"plan", "-c", "config.yaml"} + words).code, 64) << words[0];
  }
}

TEST(Doctor, LooksAtThisMachine) {
  const Workplace place;

  const Ended ended = place.softmoe({"doctor", "--json"});

  const json report = json::parse(ended.output);
  EXPECT_EQ(ended.code, report.at("fail").get<int>() == 0 ? 0 : 78);
  EXPECT_GE(report.at("findings").size(), 20U);
  for (const json& finding : report.at("findings")) {
    EXPECT_EQ(finding.at("cure").get<std::string>().empty(), finding.at("verdict") == "ok")
        << finding;
  }
}

TEST(Doctor, FailsWhereARunWouldFail) {
  const Workplace place;

  const Ended alone = place.softmoe({"doctor", "--expect-world", "4"});
  const Ended unwritable = place.softmoe({"doctor", "--folder", "/proc/softmoe"});

  EXPECT_EQ(alone.code, 78);
  EXPECT_THAT(alone.output, HasSubstr("fail  launch"));
  EXPECT_EQ(unwritable.code, 78);
  EXPECT_THAT(unwritable.output, HasSubstr("fail  run folder"));
}

TEST(Doctor, SeesTheOtherRanks) {
  const Workplace place;

  const Ended ended = place.on_ranks(2, {"doctor", "--expect-world", "2"});

  EXPECT_THAT(ended.output, HasSubstr("one of 2 ranks (mpirun)"));
}

}  // namespace
}  // namespace softmoe::test
