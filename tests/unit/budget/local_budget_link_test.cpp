#include "budget/local_budget_link.h"

#include <gtest/gtest.h>

#include "tests/unit/budget/records.h"

namespace softmoe::budget {
namespace {

TEST(LocalBudgetLink, TakesRecordsAndNeverHasNews) {
  LocalBudgetLink local;
  BudgetLink& link = local;

  const ControllerState before;
  const SetPointTimeline timeline{SetPoints{.budget = 4.0}};
  const StepRecord record = record_of({}, 480);
  link.submit({.record = record, .before = before, .timeline = timeline});

  EXPECT_TRUE(link.poll().changes.empty());
  EXPECT_EQ(link.poll().requests, 0U);
}

}  // namespace
}  // namespace softmoe::budget
