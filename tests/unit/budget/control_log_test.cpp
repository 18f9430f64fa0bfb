#include "budget/control_log.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "runtime/base/errors.h"
#include "tests/unit/budget/records.h"

namespace softmoe::budget {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// No default anywhere, and numbers whose last bit matters.
SetPointChange some_change() {
  return {.effective_from = Step(300),
          .set_points = {.budget = 16.0 / 3.0,
                         .mode = Mode::servo,
                         .initial_lambda = -0.1,
                         .min_lambda = -7.3,
                         .max_lambda = std::nextafter(6.0, 7.0),
                         .layer_cost_L = {1.0, 1.0 / 7.0},
                         .layer_min_L = {1.0, 1.1},
                         .layer_max_L = {5.5, 2.2},
                         .gains = {.delay = 1,
                                   .newton = 0.3,
                                   .debt = 0.07,
                                   .max_step = 0.4,
                                   .max_repayment_ratio = 0.2,
                                   .gain_smoothing = 0.6,
                                   .min_gain_ratio = 0.03},
                         .temperature = {.kind = TemperatureKind::boundary_mass,
                                         .start = 1.3,
                                         .end = 0.7,
                                         .first_step = 200,
                                         .num_steps = 900,
                                         .start_softness = 0.8,
                                         .end_softness = 0.3,
                                         .floor = 0.06,
                                         .ceiling = 9.0},
                         .revision = 4,
                         .term = 3}};
}

ControlWord some_word(std::int64_t step) {
  return {.step = Step(step),
          .revision = 4,
          .term = 3,
          .lambda = std::nextafter(0.1, 1.0),
          .alpha = 1.0 / 3.0,
          .budget = 16.0 / 3.0,
          .mode = Mode::servo,
          .requests = 1};
}

std::string text_of(std::initializer_list<std::string> lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

StorageError::Kind kind_of_refusal(const std::string& text, std::string& message) {
  try {
    (void)parse_control_log(text, "control.jsonl");
  } catch (const StorageError& error) {
    message = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "was not refused";
  return StorageError::Kind::io;
}

TEST(ControlLog, ReadsBackTheSameBits) {
  const SetPointChange change = some_change();

  const ControlLog log = parse_control_log(
      text_of({line_of(change), line_of(some_word(300)), line_of(some_word(301))}), "log");

  ASSERT_THAT(log.changes, SizeIs(1));
  EXPECT_EQ(line_of(log.changes[0]), line_of(change));
  EXPECT_EQ(log.changes[0].effective_from, Step(300));
  EXPECT_EQ(log.changes[0].set_points.max_lambda, change.set_points.max_lambda);
  EXPECT_EQ(log.changes[0].set_points.layer_cost_L, change.set_points.layer_cost_L);
  ASSERT_THAT(log.words, SizeIs(2));
  EXPECT_EQ(log.words[0], some_word(300));
  EXPECT_EQ(log.words[1], some_word(301));
}

TEST(ControlLog, LeavesOutALastLineThatWasCutOff) {
  const std::string whole = text_of({line_of(some_change()), line_of(some_word(300))});
  const std::string torn = line_of(some_word(301)) + "\n";

  for (std::size_t kept = 0; kept < torn.size(); ++kept) {
    const ControlLog log = parse_control_log(whole + torn.substr(0, kept), "log");
    ASSERT_THAT(log.words, SizeIs(1)) << kept;
  }
}

TEST(ControlLog, RefusesWhatItIsNotNamingTheLine) {
  const std::string start = text_of({line_of(some_change()), line_of(some_word(300))});
  SetPointChange bad = some_change();
  bad.set_points.budget = -1.0;
  std::string message;

  EXPECT_EQ(kind_of_refusal(start + "{\"loss\": 3}\n", message), StorageError::Kind::bad_format);
  EXPECT_THAT(message, HasSubstr("'control.jsonl' line 3"));
  EXPECT_EQ(kind_of_refusal(start + line_of(some_word(302)) + "\n", message),
            StorageError::Kind::bad_format);
  EXPECT_THAT(message, HasSubstr("step 302 follows step 300"));
  EXPECT_EQ(kind_of_refusal(start + line_of(bad) + "\n", message), StorageError::Kind::bad_format);
  EXPECT_THAT(message, HasSubstr("the budget is -1"));
  EXPECT_EQ(kind_of_refusal("", message), StorageError::Kind::bad_format);
  EXPECT_THAT(message, HasSubstr("no finished step"));
}

class Recorded final : public BudgetLink {
 public:
  void submit(const StepReport& report) override { steps.push_back(report.record.step().value); }
  [[nodiscard]] LinkNews poll() override { return {.requests = 2}; }
  std::vector<std::int64_t> steps;
};

TEST(LoggedLink, WritesSetPointsWhenTheyAreOthersAndEveryWord) {
  Recorded inner;
  std::vector<std::string> lines;
  LoggedLink link(inner, [&](const std::string& line) { lines.push_back(line); });
  SetPointTimeline timeline(SetPoints{.budget = 4.0});
  timeline.add({Step(2), {.budget = 5.0, .revision = 1}}, Step(0));

  for (std::int64_t step = 0; step < 4; ++step) {
    StepRecord record = record_of({}, 480);
    record.in_force = word_for(Step(step), {}, timeline.at(Step(step)));
    link.submit({.record = record, .before = {}, .timeline = timeline});
  }

  ASSERT_THAT(lines, SizeIs(6));
  EXPECT_THAT(lines[0], HasSubstr("set_points"));
  EXPECT_THAT(lines[3], HasSubstr("\"from\":2"));
  EXPECT_THAT(lines[5], HasSubstr("\"step\":3"));
  EXPECT_THAT(inner.steps, testing::ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(link.poll().requests, 2U);
}

TEST(ReplayLink, BringsTheChangesOnceAndFindsTheFirstOtherWord) {
  SetPointTimeline timeline(SetPoints{.budget = 4.0});
  ControlLog log{
      .changes = {{Step(0), {.budget = 4.0}}, {Step(1), {.budget = 5.0, .revision = 1}}}};
  for (std::int64_t step = 0; step < 3; ++step) {
    log.words.push_back({.step = Step(step), .lambda = 0.25 * static_cast<double>(step)});
  }
  ReplayLink link(log);
  const auto run = [&](std::int64_t step, double lambda) {
    StepRecord record = record_of({}, 480);
    // A drain that the first run was asked for is not asked for again.
    record.in_force = {.step = Step(step), .lambda = lambda, .requests = 2};
    link.submit({.record = record, .before = {}, .timeline = timeline});
  };

  const LinkNews news = link.poll();
  ASSERT_THAT(news.changes, SizeIs(1));
  EXPECT_EQ(news.changes[0].effective_from, Step(1));
  EXPECT_THAT(link.poll().changes, IsEmpty());
  run(0, 0.0);
  EXPECT_EQ(link.difference(), std::nullopt);
  run(1, std::nextafter(0.25, 1.0));
  ASSERT_TRUE(link.difference());
  EXPECT_THAT(*link.difference(), HasSubstr("step 1"));
  run(2, 0.7);
  run(3, 9.0);  // behind the log
  EXPECT_THAT(*link.difference(), HasSubstr("step 1"));
}

}  // namespace
}  // namespace softmoe::budget
