// The rules across sections, and the page that lists every key.

#include "launcher/run/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "launcher/run/exit_code.h"
#include "launcher/run/run_plan.h"
#include "launcher/run/unavailable.h"
#include "runtime/config/describe.h"
#include "runtime/config/resolved_yaml.h"

namespace softmoe::launcher {
namespace {

using testing::HasSubstr;

/// The message with which a configuration is refused; empty if it is accepted.
std::string refusal(const std::string& yaml, const std::vector<std::string>& overrides = {},
                    int world = 1) {
  try {
    (void)load_run_config(config::Source::text(yaml, "run.yaml"), overrides, world);
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(RunConfig, AcceptsItsDefaults) {
  EXPECT_EQ(refusal(""), "");
}

TEST(RunConfig, RefusesABudgetBelowTheFloorAtItsPlace) {
  const std::string message = refusal("model:\n  layers: 6\nbudget:\n  total: 5\n");

  EXPECT_THAT(message, HasSubstr("run.yaml:4:3"));
  EXPECT_THAT(message, HasSubstr("budget.total"));
}

TEST(RunConfig, RefusesABudgetAboveTheCaps) {
  EXPECT_THAT(refusal("", {"budget.total=40", "model.router.total_mass=8"}),
              HasSubstr("budget.total"));
}

TEST(RunConfig, RefusesASoftMassThatTheSimplexCannotSpread) {
  EXPECT_THAT(refusal("", {"model.router.total_mass=30", "budget.total=8"}),
              HasSubstr("model.router.total_mass"));
}

TEST(RunConfig, RefusesEqualBitsOnAnyLayoutOfAGpu) {
  const std::string yaml = "training:\n  determinism: layout_invariant\n";

  EXPECT_EQ(refusal(yaml), "");
  EXPECT_THAT(refusal(yaml, {"runtime.backend=cuda"}), HasSubstr("run.yaml:2:3"));
}

TEST(RunConfig, RefusesExpertsThatRanksDoNotDivide) {
  const std::string message = refusal("model:\n  experts:\n    num_experts: 9\n", {}, /*world=*/2);

  EXPECT_THAT(message, HasSubstr("run.yaml:3:5"));
  EXPECT_THAT(message, HasSubstr("8 or 10"));
}

TEST(RunConfig, RefusesGroupsThatDoNotDivideTheWorld) {
  EXPECT_THAT(refusal("", {"parallel.expert_parallel=3"}, /*world=*/4),
              HasSubstr("parallel.expert_parallel"));
}

TEST(RunConfig, RefusesCostsForAnotherNumberOfLayers) {
  EXPECT_THAT(refusal("", {"budget.layer_costs=[1, 2]"}), HasSubstr("budget.layer_costs"));
}

TEST(RunConfig, AcceptsAQuotaWithBoundsAndASchedule) {
  EXPECT_EQ(refusal("", {"budget.mode=quota", "budget.total=8", "budget.layer_min=[1, 1, 1, 3]",
                         "budget.layer_max=[2, 3, 4, 5]", "budget.schedule.from_steps=[100]",
                         "budget.schedule.totals=[10]"}),
            "");
}

TEST(RunConfig, RefusesAQuotaForRoutersThatCannotHaveOne) {
  for (const char* kind : {"top_k", "hash"}) {
    const std::string message =
        refusal("", {"budget.mode=quota", std::string("model.router.kind=") + kind});
    EXPECT_THAT(message, HasSubstr("budget.mode"));
    EXPECT_THAT(message, HasSubstr("of the kind softmoe"));
  }
  EXPECT_THAT(refusal("", {"budget.mode=quota", "model.router.gate=relu"}),
              HasSubstr("gate relu subtracts the threshold"));
  EXPECT_EQ(refusal("", {"budget.mode=quota", "model.router.gate=renormalised"}), "");
}

TEST(RunConfig, RefusesAScheduledTotalThatTheModelCannotMeet) {
  EXPECT_THAT(refusal("", {"budget.total=8", "budget.schedule.from_steps=[100, 200]",
                           "budget.schedule.totals=[9, 3]"}),
              testing::AllOf(HasSubstr("budget.schedule.totals"), HasSubstr("a budget of 3")));
  EXPECT_THAT(refusal("", {"budget.total=8", "budget.schedule.from_steps=[100]",
                           "budget.schedule.totals=[9]", "budget.layer_max=[2, 2, 2, 2.5]"}),
              testing::AllOf(HasSubstr("budget.schedule.totals"), HasSubstr("4 to 8.5")));
}

TEST(RunConfig, RefusesBoundsOfLayersThatDoNotFitTheModel) {
  EXPECT_THAT(refusal("", {"budget.layer_min=[1, 2]"}), HasSubstr("budget.layer_min"));
  EXPECT_THAT(refusal("", {"budget.layer_max=[1, 2, 3, 4, 5]"}), HasSubstr("budget.layer_max"));
  EXPECT_THAT(refusal("", {"budget.total=8", "budget.layer_min=[1, 1, 1, 20]"}),
              HasSubstr("layer 3 may run from 20"));
}

TEST(RunConfig, SurvivesItsOwnResolvedDocument) {
  const std::vector<std::string> overrides = {"model.layers=6", "budget.total=11.5",
                                              "training.seed=7"};
  const auto first = load_run_config(config::Source::none(), overrides, 1);

  const std::string yaml = config::resolved_yaml(first);
  const auto second = load_run_config(config::Source::text(yaml), {}, 1);

  EXPECT_EQ(second.value.model.layers, 6);
  EXPECT_EQ(second.value.total_budget(), 11.5);
  EXPECT_EQ(second.value.training.seed, 7U);
}

TEST(RunConfig, IsDescribedByThePageInDocs) {
  std::ifstream file(SOFTMOE_SOURCE_DIR "/docs/configuration.md");
  std::stringstream page;
  page << file.rdbuf();

  EXPECT_THAT(page.str(), HasSubstr(config::describe<RunConfig>(config::TableFormat::markdown)))
      << "write it anew: softmoe train --keys";
}

TEST(ExitCodes, FollowTheKindOfError) {
  EXPECT_EQ(exit_code_of(ConfigError("")), ExitCode::configuration);
  EXPECT_EQ(exit_code_of(CommError("")), ExitCode::restart);
  EXPECT_EQ(exit_code_of(StorageError(StorageError::Kind::missing, "")), ExitCode::input_missing);
  EXPECT_EQ(exit_code_of(StorageError(StorageError::Kind::bad_format, "")), ExitCode::bad_data);
  EXPECT_EQ(exit_code_of(StorageError(StorageError::Kind::cannot_write, "")),
            ExitCode::cannot_write);
  EXPECT_EQ(exit_code_of(StorageError(StorageError::Kind::io, "")), ExitCode::io);
  EXPECT_EQ(exit_code_of(InternalError("")), ExitCode::internal);
  EXPECT_EQ(exit_code_of(Unavailable("")), ExitCode::unavailable);
}

TEST(RunConfig, RefusesMetricsAtWhatIsNoAddress) {
  for (const char* listen : {"9400", ":9400", "host", "host:", "host:70000", "host:12x"}) {
    EXPECT_THAT(refusal("", {std::string("metrics.listen=") + listen}), HasSubstr("metrics.listen"))
        << listen;
  }
  for (const char* listen : {"", "0.0.0.0:9400", "[::]:0", "node7:9400"}) {
    EXPECT_EQ(refusal("", {std::string("metrics.listen=") + listen}), "") << listen;
  }
}

TEST(RunPlan, HashesTheTrainingAndNotWhoWatchesIt) {
  const auto hash = [](const std::vector<std::string>& overrides) {
    return identity_of(load_run_config(config::Source::none(), overrides, 1), 1).config_hash;
  };
  EXPECT_EQ(hash({"metrics.listen=", "metrics.every=3", "metrics.expert_detail=full",
                  "metrics.targets_folder=x", "metrics.top_experts=2", "metrics.max_series=500"}),
            hash({}));
  EXPECT_NE(hash({"training.seed=1"}), hash({}));
}

}  // namespace
}  // namespace softmoe::launcher
