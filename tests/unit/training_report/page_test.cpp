#include "training/report/page.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/unit/training_report/run_files.h"

namespace softmoe::training {
namespace {

using testing::IsEmpty;
using testing::Not;

const std::vector<std::string> kCharts = {"loss",
                                          "budget",
                                          "lambda",
                                          "alpha",
                                          "learned",
                                          "realised",
                                          "loads",
                                          "imbalance",
                                          "dead",
                                          "margin",
                                          "boundary",
                                          "phases",
                                          "tokens-per-second",
                                          "mfu",
                                          "gradient-norm",
                                          "learning-rate",
                                          "clip-factor",
                                          "balance-loss"};

std::string page_of(const RunFiles& files) {
  return report_page(files.read(), some_facts());
}

/// What a browser would fetch: the page is one file and needs nothing else.
std::vector<std::string> external_references(const std::string& page) {
  std::vector<std::string> found;
  for (const char* part :
       {"http:", "https:", "file:", "data:", "@import", "url(", " src=\"", " href=\"", " srcset=\"",
        " poster=\"", " action=\"", "<link", "<base"}) {
    const std::size_t at = page.find(part);
    if (at != std::string::npos) found.push_back(page.substr(at, 40));
  }
  return found;
}

TEST(Page, HasEveryChartOnceWithAPlot) {
  RunFiles files;
  files.add_steps(30, 4, 16);

  const std::string page = page_of(files);

  for (const std::string& chart : kCharts) {
    EXPECT_EQ(count_of(fmt::format("<figure id=\"{}\"", chart), page), 1) << chart;
    EXPECT_EQ(count_of(fmt::format("<title id=\"{}-title\"", chart), page), 1) << chart;
  }
  EXPECT_EQ(count_of("<figure", page), static_cast<int>(kCharts.size()));
  EXPECT_TRUE(lacks(page, "Nothing to draw"));
}

TEST(Page, IsWellNestedAndNeedsNothingFromOutside) {
  RunFiles files;
  files.add_steps(30, 4, 16);
  files.add("config.yaml", "model:\n  layers: 4   # default\n");

  const std::string page = page_of(files);

  EXPECT_EQ(broken_nesting(page), "");
  EXPECT_THAT(external_references(page), IsEmpty());
  EXPECT_THAT(external_references("<img src=\"x.png\">"), Not(IsEmpty()));
}

TEST(Page, NeverTakesATextOfTheRunForMarkup) {
  const std::string attack = R"(</pre></title><script>alert(1)</script><img src=x onerror="y">')";
  RunFiles files;
  files.add_steps(3, 1, 2);
  files.add("config.yaml", "run: {id: \"" + attack + "\"}  # " + attack + "\n" + attack);
  const nlohmann::json event = {
      {"event", attack}, {"step", 1}, {"time", attack}, {attack, {attack, 1}}};
  files.add("events.jsonl", event.dump() + "\n");
  files.add("control.jsonl",
            nlohmann::json{{"set_points", {{"from", 0}, {"mode", attack}}}}.dump() + "\n");
  files.add("control.jsonl",
            nlohmann::json{{"set_points", {{"from", 1}, {attack, attack}}}}.dump() + "\n");
  nlohmann::json step = step_object(3, 1, 2);
  step["phase_seconds_rank0"] = {{attack, 1.0}};
  RunFiles phases;
  phases.add("metrics.jsonl", step.dump() + "\n");
  RunFacts facts = some_facts();
  facts.name = attack;
  facts.made_by = attack;

  for (const RunFiles* run : {&files, &phases}) {
    const std::string page = report_page(run->read(), facts);

    EXPECT_EQ(broken_nesting(page), "");
    EXPECT_EQ(count_of("<script", page), 1);
    EXPECT_TRUE(lacks(page, "<img"));
    EXPECT_TRUE(has(page, "&lt;script&gt;alert(1)"));
    EXPECT_THAT(external_references(page), IsEmpty());
  }
}

TEST(Page, SaysThatNoStepHasEnded) {
  RunFiles files;
  files.add("metrics.jsonl", "");

  const std::string page = page_of(files);

  EXPECT_TRUE(has(page, "No step has ended yet"));
  EXPECT_TRUE(lacks(page, "<figure"));
  EXPECT_EQ(broken_nesting(page), "");
}

TEST(Page, DrawsARunOfOneStep) {
  RunFiles files;
  files.add_steps(1, 2, 4);

  const std::string page = page_of(files);

  EXPECT_EQ(count_of("<figure", page), static_cast<int>(kCharts.size()));
  EXPECT_TRUE(lacks(page, "Nothing to draw"));
  EXPECT_TRUE(lacks(page, "nan"));
  EXPECT_EQ(broken_nesting(page), "");
}

TEST(Page, DrawsWhatIsFiniteAndTellsTheRest) {
  RunFiles files;
  for (int step = 0; step < 20; ++step) {
    nlohmann::json object = step_object(step, 1, 2);
    if (step % 5 == 2) {
      object["loss"] = nullptr;
      object["gradient_norm"] = nullptr;
      object["skipped"] = true;
      object["layers"][0]["imbalance"] = nullptr;
    }
    files.add("metrics.jsonl", object.dump() + "\n");
  }

  const std::string page = page_of(files);

  EXPECT_TRUE(has(page, "4 steps had a loss that was not finite"));
  EXPECT_TRUE(has(page, "4 of them skipped"));
  EXPECT_TRUE(has(page, "skipped, not finite"));
  EXPECT_TRUE(lacks(page, "nan"));
  EXPECT_TRUE(lacks(page, "inf "));
  EXPECT_EQ(broken_nesting(page), "");
}

TEST(Page, StandsWhenNoNumberIsFinite) {
  RunFiles files;
  nlohmann::json object = step_object(0, 1, 2);
  for (auto& [key, value] : object.items()) {
    if (value.is_number_float()) value = nullptr;
  }
  for (auto& [key, value] : object["layers"][0].items()) {
    if (value.is_number()) value = nullptr;
  }
  object["layers"][0]["loads"] = {0, 0};
  object["phase_seconds_rank0"] = {{"experts", nullptr}};
  files.add("metrics.jsonl", object.dump() + "\n");

  const std::string page = page_of(files);

  EXPECT_EQ(broken_nesting(page), "");
  EXPECT_TRUE(has(page, "Nothing to draw"));
  EXPECT_TRUE(lacks(page, "nan"));
}

TEST(Page, OfADenseModelHasNoChartsOfExperts) {
  RunFiles files;
  files.add_steps(3, 0, 0);

  const std::string page = page_of(files);

  EXPECT_TRUE(lacks(page, "id=\"loads\""));
  EXPECT_TRUE(has(page, "id=\"loss\""));
}

TEST(Page, MarksChangesOfSetPointsAndListsThem) {
  RunFiles files;
  files.add_steps(20, 1, 2);
  files.add("control.jsonl",
            "{\"set_points\":{\"from\":0,\"budget\":8.0,\"mode\":\"servo\"}}\n"
            "{\"set_points\":{\"from\":10,\"budget\":6.0,\"mode\":\"servo\"}}\n");
  files.add("events.jsonl", "{\"event\":\"start\",\"step\":0}\n{\"event\":\"done\",\"step\":20}\n");

  const std::string page = page_of(files);

  EXPECT_TRUE(has(page,
                  "<td>1</td><td>10</td><td></td><td>set-points</td>"
                  "<td>budget 8.0 → 6.0</td>"));
  EXPECT_TRUE(has(page, "finished"));
  EXPECT_TRUE(has(page, "mode servo, budget 8.0"));
  // On every chart over steps: all but the map of loads, which is over experts.
  EXPECT_EQ(count_of("<text class=\"mark\"", page), static_cast<int>(kCharts.size()) - 1);
}

TEST(Page, StaysBelowThreeMegabytesForManyLayersOfManyExperts) {
  RunFiles files;
  std::uint32_t random = 1;
  const auto noise = [&random] {
    random = random * 1664525 + 1013904223;
    return static_cast<double>(random >> 8) / (1 << 24);
  };
  for (int step = 0; step < 600; ++step) {
    nlohmann::json object = step_object(step, 64, step < 580 ? 0 : 512);
    for (nlohmann::json& layer : object["layers"]) {
      for (auto& [key, value] : layer.items()) {
        if (value.is_number()) value = noise();
      }
      for (nlohmann::json& load : layer["loads"]) load = static_cast<int>(1000 * noise() * noise());
    }
    for (const char* key : {"loss", "budget_used", "lambda", "tokens_per_second", "mfu_ratio",
                            "gradient_norm", "balance_loss"}) {
      object[key] = noise();
    }
    files.add("metrics.jsonl", object.dump() + "\n");
  }

  const std::string page = page_of(files);

  EXPECT_LT(page.size(), 3'000'000U);
  EXPECT_GT(page.size(), 500'000U);
  EXPECT_EQ(count_of("data-layer=\"63\"", page), 5);
}

}  // namespace
}  // namespace softmoe::training
