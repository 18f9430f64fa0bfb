#include "training/governor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <span>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

using budget::ControlWord;
using budget::Request;
using budget::SetPoints;
using testing::ElementsAre;

constexpr double kBudget = 4.0;

SetPoints set_points(double budget = kBudget, std::int64_t revision = 0) {
  return {.budget = budget, .initial_lambda = 0.25, .revision = revision};
}

/// A line on which news lies ready for the poll of a certain number.
class ScriptedLink final : public budget::BudgetLink {
 public:
  void deliver_at_poll(int number, budget::LinkNews news) { news_[number] = std::move(news); }
  [[nodiscard]] const std::vector<std::int64_t>& submitted() const { return submitted_; }

  void submit(const budget::StepReport& report) override {
    submitted_.push_back(report.record.step().value);
  }
  [[nodiscard]] budget::LinkNews poll() override { return news_[polls_++]; }

 private:
  std::map<int, budget::LinkNews> news_;
  std::vector<std::int64_t> submitted_;
  int polls_ = 0;
};

/// What 100 tokens did in two layers, `used` executions each.
budget::StepRecord record_of(const ControlWord& word, double used) {
  const auto rows = static_cast<std::int64_t>(50 * used);
  return {.in_force = word,
          .tokens = 100,
          .executed_L = {rows, rows},
          .gain_L = {1.0, 1.0},
          .boundary_mass_L = {0.5, 0.5},
          .soft_mass_L = {2.0, 2.0}};
}

/// Runs steps [0, count) on budget and returns their words.
std::vector<ControlWord> run_on_budget(Governor& governor, std::int64_t count) {
  std::vector<ControlWord> words;
  for (Step step{0}; step.value < count; ++step.value) {
    words.push_back(governor.word_for(step, /*requests=*/0));
    EXPECT_EQ(governor.observe(record_of(words.back(), words.back().budget)), std::nullopt);
  }
  return words;
}

std::vector<double> budgets_of(const std::vector<ControlWord>& words) {
  std::vector<double> budgets;
  for (const ControlWord& word : words) budgets.push_back(word.budget);
  return budgets;
}

TEST(Governor, TheWordOfStepZeroIsThatOfTheSetPoints) {
  ScriptedLink link;
  Governor governor(set_points(), link);

  const ControlWord word = governor.word_for(Step(0), /*requests=*/0);

  EXPECT_EQ(word.step, Step(0));
  EXPECT_EQ(word.budget, kBudget);
  EXPECT_EQ(word.lambda, 0.25);
  EXPECT_EQ(word.alpha, 1.0);
  EXPECT_EQ(word.mode, budget::Mode::servo);
  EXPECT_EQ(word.requests, 0U);
}

TEST(Governor, ARecordDecidesTheNextWord) {
  ScriptedLink link;
  Governor governor(set_points(), link);
  const ControlWord first = governor.word_for(Step(0), 0);

  const auto refused = governor.observe(record_of(first, /*used=*/4.5));
  const ControlWord second = governor.word_for(Step(1), 0);

  EXPECT_EQ(refused, std::nullopt);
  EXPECT_EQ(second.step, Step(1));
  // Newton 0.5 of (0.5 over budget + a tenth of the debt of 0.5), at a gain of 1 + 1.
  EXPECT_NEAR(second.lambda, 0.25 + 0.5 * (0.5 + 0.05) / 2.0, 1e-12);
}

TEST(Governor, ARequestGoesIntoTheWordOfItsStepAlone) {
  ScriptedLink link;
  Governor governor(set_points(), link);
  (void)run_on_budget(governor, 2);

  const ControlWord asked = governor.word_for(Step(2), static_cast<std::uint32_t>(Request::drain));
  (void)governor.observe(record_of(asked, kBudget));
  const ControlWord next = governor.word_for(Step(3), 0);

  EXPECT_TRUE(asked.has(Request::drain));
  EXPECT_FALSE(asked.has(Request::stop));
  EXPECT_EQ(next.requests, 0U);
}

TEST(Governor, RequestsFromInsideAndFromTheLinkComeTogether) {
  ScriptedLink link;
  link.deliver_at_poll(0, {.requests = static_cast<std::uint32_t>(Request::save)});
  Governor governor(set_points(), link);

  const ControlWord word = governor.word_for(Step(0), static_cast<std::uint32_t>(Request::stop));

  EXPECT_TRUE(word.has(Request::save));
  EXPECT_TRUE(word.has(Request::stop));
}

TEST(Governor, AChangeTakesEffectAtItsStep) {
  ScriptedLink link;
  link.deliver_at_poll(1, {.changes = {{Step(3), set_points(5.0, /*revision=*/1)}}});
  Governor governor(set_points(), link);

  const std::vector<ControlWord> words = run_on_budget(governor, 5);

  EXPECT_THAT(budgets_of(words), ElementsAre(4.0, 4.0, 4.0, 5.0, 5.0));
  EXPECT_EQ(words[2].revision, 0);
  EXPECT_EQ(words[3].revision, 1);
}

TEST(Governor, AChangeForADecidedStepWaitsForTheNext) {
  ScriptedLink link;
  link.deliver_at_poll(2, {.changes = {{Step(2), set_points(5.0, /*revision=*/1)}}});
  Governor governor(set_points(), link);

  const std::vector<ControlWord> words = run_on_budget(governor, 4);

  // The record of step 1 decided the word of step 2 before the change arrived.
  EXPECT_THAT(budgets_of(words), ElementsAre(4.0, 4.0, 4.0, 5.0));
}

TEST(Governor, NothingIsDecidedBeforeTheFirstStep) {
  ScriptedLink link;
  link.deliver_at_poll(0, {.changes = {{Step(0), set_points(5.0, /*revision=*/1)}}});
  Governor governor(set_points(), link);

  EXPECT_EQ(governor.word_for(Step(0), 0).budget, 5.0);
}

TEST(Governor, EveryRecordGoesToTheLink) {
  ScriptedLink link;
  Governor governor(set_points(), link);

  (void)run_on_budget(governor, 3);

  EXPECT_THAT(link.submitted(), ElementsAre(0, 1, 2));
}

TEST(Governor, ARefusedRecordSaysWhyAndMovesNothing) {
  ScriptedLink link;
  Governor governor(set_points(), link);
  const ControlWord first = governor.word_for(Step(0), 0);
  budget::StepRecord broken = record_of(first, 9.0);
  broken.boundary_mass_L[1] = std::numeric_limits<double>::quiet_NaN();

  const auto refused = governor.observe(broken);

  ASSERT_TRUE(refused.has_value());
  EXPECT_THAT(*refused, testing::HasSubstr("boundary mass of layer 1"));
  EXPECT_EQ(governor.word_for(Step(1), 0).lambda, first.lambda);
  EXPECT_EQ(governor.state().last_record, Step(-1));
}

TEST(Governor, PlannedChangesTakeEffectAtTheirSteps) {
  ScriptedLink link;
  const std::vector<budget::SetPointChange> planned = {{Step(0), set_points()},
                                                       {Step(2), set_points(5.0, /*revision=*/1)},
                                                       {Step(4), set_points(3.0, /*revision=*/2)}};
  Governor governor(planned, link);

  const std::vector<ControlWord> words = run_on_budget(governor, 6);

  EXPECT_THAT(budgets_of(words), ElementsAre(4.0, 4.0, 5.0, 5.0, 3.0, 3.0));
  EXPECT_EQ(words[3].revision, 1);
  EXPECT_EQ(words[5].revision, 2);
}

TEST(Governor, AChangeFromOutsideReplacesWhatWasPlannedAfterIt) {
  ScriptedLink link;
  link.deliver_at_poll(1, {.changes = {{Step(3), set_points(7.0, /*revision=*/3)}}});
  const std::vector<budget::SetPointChange> planned = {{Step(0), set_points()},
                                                       {Step(2), set_points(5.0, /*revision=*/1)},
                                                       {Step(4), set_points(3.0, /*revision=*/2)}};
  Governor governor(planned, link);

  EXPECT_THAT(budgets_of(run_on_budget(governor, 6)), ElementsAre(4.0, 4.0, 5.0, 7.0, 7.0, 7.0));
}

TEST(Governor, WantsAPlanThatBeginsAtStepZero) {
  ScriptedLink link;
  const std::vector<budget::SetPointChange> late = {{Step(1), set_points()}};

  EXPECT_THROW(Governor(std::span<const budget::SetPointChange>(), link), InvalidArgument);
  EXPECT_THROW(Governor(std::span(late), link), InvalidArgument);
}

TEST(Governor, TellsTheSetPointsThatAWordFollows) {
  ScriptedLink link;
  budget::SetPoints bounded = set_points(5.0, /*revision=*/1);
  bounded.layer_max_L = {3.0, 4.0};
  link.deliver_at_poll(0, {.changes = {{Step(1), bounded}}});
  Governor governor(set_points(), link);

  const std::vector<ControlWord> words = run_on_budget(governor, 2);

  EXPECT_EQ(words[1].revision, governor.set_points_at(Step(1)).revision);
  EXPECT_THAT(governor.set_points_at(Step(1)).layer_max_L, ElementsAre(3.0, 4.0));
  EXPECT_TRUE(governor.set_points_at(Step(0)).layer_max_L.empty());
}

TEST(Governor, ARunGoesOnFromTheStateItStoppedIn) {
  ScriptedLink link;
  Governor whole(set_points(), link);
  const ControlWord first = whole.word_for(Step(0), 0);
  (void)whole.observe(record_of(first, 4.4));

  Governor resumed(set_points(), whole.state(), link);

  EXPECT_EQ(resumed.word_for(Step(1), 0), whole.word_for(Step(1), 0));
}

}  // namespace
}  // namespace softmoe::training
