#include "training/run_metrics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <tuple>

#include "tests/support/metrics_page.h"
#include "tests/support/on_device.h"
#include "tests/unit/training_metrics/fixed_step.h"
#include "training/rank_metrics.h"

namespace softmoe::test {
namespace {

using training::ExpertDetail;
using training::RunMetrics;
using training::RunState;

constexpr double kStart = 1000;

/// A registry with the numbers of a run.
class Metrics {
 public:
  explicit Metrics(ExpertDetail detail, std::int64_t every = 1)
      : config_{.expert_detail = detail, .top_experts = 2, .every = every},
        run_({.registry = registry_,
              .config = config_,
              .shape = fixed_shape(),
              .facts = fixed_facts(),
              .rates = fixed_rates(),
              .unix_time = kStart}) {}

  RunMetrics* operator->() { return &run_; }
  void observe(const training::StepResult& result, double unix_time = 2000) {
    run_.observe(result, fixed_rates(), unix_time);
  }
  [[nodiscard]] MetricsPage page() const { return MetricsPage(registry_.page()); }
  [[nodiscard]] metrics::Registry& registry() { return registry_; }

 private:
  metrics::Registry registry_{{{"run", "golden"}, {"rank", "0"}}};
  training::MetricsConfig config_;
  RunMetrics run_;
};

/// The lines of a page, by family: what it is, then its series in the order of their labels.
std::vector<std::string> in_order(std::istream& page) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(page, line);) lines.push_back(line);
  const auto key = [](const std::string& line) {
    const bool is_head = line.starts_with("# ");
    const std::size_t begin = is_head ? std::string("# HELP ").size() : 0;
    const std::string name = line.substr(begin, line.find_first_of(" {", begin) - begin);
    return std::make_tuple(name, !is_head, line);
  };
  std::sort(lines.begin(), lines.end(), [&](const std::string& left, const std::string& right) {
    return key(left) < key(right);
  });
  return lines;
}

/// Equal but for the last digits of numbers, which depend on the processor.
void expect_same_line(const std::string& line, const std::string& golden) {
  if (line.starts_with("# ") || line == golden) {
    EXPECT_EQ(line, golden);
    return;
  }
  const std::size_t end = line.rfind(' ');
  EXPECT_EQ(line.substr(0, end), golden.substr(0, golden.rfind(' ')));
  const double expected = std::stod(golden.substr(golden.rfind(' ')));
  EXPECT_NEAR(std::stod(line.substr(end)), expected, 1e-12 * std::abs(expected)) << golden;
}

TEST(RunMetrics, MakeTheGoldenPageOfAFixedStep) {
  OnDevice on;
  Metrics metrics(ExpertDetail::full);
  training::RankMetrics of_rank(metrics.registry(),
                                {.dispatch_forward = 100,
                                 .combine_forward = 10,
                                 .combine_backward = 1000,
                                 .dispatch_backward = 20,
                                 .dispatch_again = 7},
                                on.work);
  metrics->enter(RunState::train);
  metrics.observe(fixed_step());
  of_rank.observe(fixed_step());

  std::ifstream file(std::string(SOFTMOE_TEST_DATA) + "/metrics_page.txt");
  const std::vector<std::string> golden = in_order(file);
  std::istringstream page(metrics.registry().page());
  const std::vector<std::string> lines = in_order(page);
  ASSERT_EQ(lines.size(), golden.size());
  for (std::size_t i = 0; i < lines.size(); ++i) expect_same_line(lines[i], golden[i]);
}

TEST(RunMetrics, StandAtZeroBeforeTheFirstStep) {
  const Metrics metrics(ExpertDetail::full);
  const MetricsPage page = metrics.page();

  EXPECT_EQ(page.value("softmoe_train_steps_total"), 0);
  EXPECT_EQ(page.value("softmoe_train_steps_skipped_total", {{"reason", "not_finite"}}), 0);
  EXPECT_EQ(page.value("softmoe_train_steps_target"), 100);
  EXPECT_EQ(page.value("softmoe_train_last_step_timestamp_seconds"), kStart);
  EXPECT_EQ(page.value("softmoe_train_state", {{"state", "init"}}), 1);
  EXPECT_TRUE(std::isnan(page.value("softmoe_eval_loss")));
}

TEST(RunMetrics, AreInOneStateAtATime) {
  Metrics metrics(ExpertDetail::off);
  for (int state = 0; state < training::kNumRunStates; ++state) {
    metrics->enter(static_cast<RunState>(state));
    metrics->enter(static_cast<RunState>(state));
    EXPECT_EQ(metrics.page().sum("softmoe_train_state"), 1);
  }
  EXPECT_EQ(metrics.page().value("softmoe_train_state", {{"state", "done"}}), 1);
}

TEST(RunMetrics, CountWhatStepsAddUpTo) {
  Metrics metrics(ExpertDetail::buckets);
  training::StepResult skipped = fixed_step();
  skipped.was_skipped = true;
  skipped.clip_factor = 1;
  skipped.loss = std::numeric_limits<double>::quiet_NaN();

  metrics.observe(fixed_step());
  metrics.observe(skipped);

  const MetricsPage page = metrics.page();
  EXPECT_EQ(page.value("softmoe_train_steps_total"), 2);
  EXPECT_EQ(page.value("softmoe_train_steps_skipped_total"), 1);
  EXPECT_EQ(page.value("softmoe_train_tokens_total"), 32);
  EXPECT_EQ(page.value("softmoe_grad_clipped_total"), 1);
  EXPECT_EQ(page.value("softmoe_layer_rows_total", {{"layer", "1"}}), 40);
  EXPECT_EQ(page.value("softmoe_step_duration_seconds_count"), 2);
  EXPECT_TRUE(std::isnan(page.value("softmoe_train_loss", {{"kind", "total"}})));
}

TEST(RunMetrics, SeeABudgetAsMissedAboveFivePercent) {
  Metrics metrics(ExpertDetail::off);
  training::StepResult result = fixed_step();  // 60 rows of 16 tokens: 3.75
  result.record.in_force.budget = 3.75 / 1.0499;
  metrics.observe(result);
  EXPECT_EQ(metrics.page().value("softmoe_budget_violations_total"), 0);

  result.record.in_force.budget = 3.75 / 1.0501;
  metrics.observe(result);
  EXPECT_EQ(metrics.page().value("softmoe_budget_violations_total"), 1);
}

TEST(RunMetrics, ShowWhoHoldsTheBudget) {
  Metrics metrics(ExpertDetail::off);
  training::StepResult result = fixed_step();
  for (const budget::Mode mode : {budget::Mode::off, budget::Mode::servo, budget::Mode::quota}) {
    result.record.in_force.mode = mode;
    metrics.observe(result);
    EXPECT_EQ(metrics.page().sum("softmoe_budget_mode"), 1);
    EXPECT_EQ(metrics.page().value("softmoe_budget_mode", {{"mode", std::string(name_of(mode))}}),
              1);
  }
}

TEST(ExpertMetrics, AddUpLoadsBetweenPublications) {
  Metrics metrics(ExpertDetail::full, /*every=*/3);
  const auto ratio = [&](const char* expert) {
    return metrics.page().value("softmoe_expert_load_ratio", {{"layer", "1"}, {"expert", expert}});
  };
  training::StepResult result = fixed_step();  // layer 1: 0, 0, 5, 15
  metrics.observe(result);
  EXPECT_EQ(ratio("3"), 3);  // the first step is published at once
  EXPECT_EQ(metrics.page().value("softmoe_layer_dead_experts", {{"layer", "1"}}), 2);

  result.layers[1].loads = {20, 0, 0, 0};
  metrics.observe(result);
  metrics.observe(result);
  EXPECT_EQ(ratio("3"), 3);  // not yet
  result.layers[1].loads = {0, 40, 0, 0};
  metrics.observe(result);

  EXPECT_EQ(ratio("0"), 2);  // 40 of 80, over 4 experts
  EXPECT_EQ(ratio("1"), 2);
  EXPECT_EQ(ratio("3"), 0);
  EXPECT_EQ(metrics.page().value("softmoe_layer_dead_experts", {{"layer", "1"}}), 2);
  EXPECT_EQ(metrics.page().value("softmoe_rank_load_imbalance_ratio", {{"layer", "1"}}), 2);
}

TEST(ExpertMetrics, PublishWhatIsLeftAtTheEnd) {
  Metrics metrics(ExpertDetail::summary, /*every=*/100);
  metrics.observe(fixed_step());
  training::StepResult result = fixed_step();
  result.layers[0].loads = {10, 10, 10, 10};
  metrics.observe(result);
  EXPECT_EQ(metrics.page().value("softmoe_layer_load_imbalance_ratio", {{"layer", "0"}}), 2);

  metrics->finish(3000);

  EXPECT_EQ(metrics.page().value("softmoe_layer_load_imbalance_ratio", {{"layer", "0"}}), 1);
  EXPECT_EQ(metrics.page().value("softmoe_train_eta_timestamp_seconds"), 3000);
}

TEST(ExpertMetrics, CountEveryExpertOncePerPublication) {
  Metrics metrics(ExpertDetail::buckets);
  metrics.observe(fixed_step());
  metrics.observe(fixed_step());

  const MetricsPage page = metrics.page();
  EXPECT_EQ(page.value("softmoe_layer_expert_load_ratio_count", {{"layer", "0"}}), 8);
  EXPECT_DOUBLE_EQ(page.value("softmoe_layer_expert_load_ratio_sum", {{"layer", "0"}}), 8);
  // Layer 1 has ratios 0, 0, 1, 3; a bound belongs to its bucket.
  const auto at_most = [&](const char* bound) {
    return page.value("softmoe_layer_expert_load_ratio_bucket", {{"layer", "1"}, {"le", bound}});
  };
  EXPECT_EQ(at_most("0"), 4);
  EXPECT_EQ(at_most("0.9"), 4);
  EXPECT_EQ(at_most("1.1"), 6);
  EXPECT_EQ(at_most("2"), 6);
  EXPECT_EQ(at_most("3"), 8);
  EXPECT_EQ(at_most("+Inf"), 8);
}

TEST(ExpertMetrics, ShowBothEndsOfTheRanking) {
  Metrics metrics(ExpertDetail::topk);
  metrics.observe(fixed_step());  // layer 0: 4, 6, 10, 20, mean 10

  const MetricsPage page = metrics.page();
  const auto slot = [&](const char* which, const char* number) {
    return page.value(std::string("softmoe_layer_expert_") + which,
                      {{"layer", "0"}, {"slot", number}});
  };
  EXPECT_EQ(slot("hot_index", "1"), 3);
  EXPECT_EQ(slot("hot_load_ratio", "1"), 2);
  EXPECT_EQ(slot("hot_index", "2"), 2);
  EXPECT_EQ(slot("cold_index", "1"), 0);
  EXPECT_EQ(slot("cold_load_ratio", "1"), 0.4);
  EXPECT_EQ(slot("cold_index", "2"), 1);
}

TEST(RankMetrics, KnowWhatOthersWereSent) {
  metrics::Registry registry({});
  OnDevice on;
  training::RankMetrics metrics(registry,
                                {.dispatch_forward = 1,
                                 .combine_forward = 100,
                                 .combine_backward = 10,
                                 .dispatch_backward = 1000,
                                 .dispatch_again = 100'000},
                                on.work);
  metrics.observe(fixed_step());  // 30 rows, 12 of them to others; 28 came, so 10 from others

  const MetricsPage page(registry.page());
  const auto bytes = [&](const char* direction, const char* pass) {
    return page.value("softmoe_alltoall_bytes_total", {{"direction", direction}, {"pass", pass}});
  };
  EXPECT_EQ(bytes("dispatch", "forward"), 12);
  EXPECT_EQ(bytes("combine", "backward"), 120);
  EXPECT_EQ(bytes("combine", "forward"), 1000);
  EXPECT_EQ(bytes("dispatch", "backward"), 10000 + 3 * 100'000);  // 3 of the 12 went again
}

TEST(RankMetrics, SumPhasesToTheWallTime) {
  metrics::Registry registry({});
  OnDevice on;
  training::RankMetrics metrics(registry, {}, on.work);
  metrics.observe(fixed_step());
  metrics.observe(fixed_step());

  EXPECT_DOUBLE_EQ(MetricsPage(registry.page()).sum("softmoe_step_phase_seconds_total"),
                   2 * (2.0 + 0.5));
}

}  // namespace
}  // namespace softmoe::test
