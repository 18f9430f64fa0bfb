#include "budget/step_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/unit/budget/records.h"

namespace softmoe::budget {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

StepRecord good_record() {
  return record_of({.step = Step{5}, .budget = 4.0}, 480);
}

std::optional<std::string> fault_after(const std::function<void(StepRecord&)>& spoil) {
  StepRecord record = good_record();
  spoil(record);
  return find_fault(record);
}

TEST(StepRecord, UsesRowsPerTokenWeightedByTheirCost) {
  const StepRecord record = good_record();

  EXPECT_EQ(used_per_token(record, {}), 4.8);
  EXPECT_EQ(used_per_token(record, std::vector{2.0, 0.5}), 2.0 * 2.4 + 0.5 * 2.4);
  EXPECT_EQ(gain_per_token(record, std::vector{2.0, 0.5}), 5.0);
}

TEST(StepRecord, AGoodOneHasNoFault) {
  EXPECT_EQ(find_fault(good_record()), std::nullopt);
  EXPECT_EQ(find_fault(good_record(), {.num_layers = 2, .num_experts = 3}), std::nullopt);
}

TEST(StepRecord, EachFaultIsNamedWithItsStep) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();

  EXPECT_THAT(fault_after([](StepRecord& r) { r.in_force.step = Step{-1}; }),
              Optional(HasSubstr("steps count from 0")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.tokens = 0; }),
              Optional(HasSubstr("record of step 5: 0 tokens")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.executed_L[1] = -1; }),
              Optional(HasSubstr("layer 1 executed -1 rows")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.gain_L[0] = kInfinity; }),
              Optional(HasSubstr("gain of layer 0 is inf")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.boundary_mass_L[0] = -0.5; }),
              Optional(HasSubstr("boundary mass of layer 0 is -0.5")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.soft_mass_L[1] = 0.0; }),
              Optional(HasSubstr("soft mass of layer 1 is 0")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.in_force.alpha = 0.0; }),
              Optional(HasSubstr("alpha 0")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r.gain_L.pop_back(); }),
              Optional(HasSubstr("2 layers of counts, but 1 gains")));
  EXPECT_THAT(fault_after([](StepRecord& r) { r = {.in_force = r.in_force, .tokens = 1}; }),
              Optional(HasSubstr("no layers")));
}

TEST(StepRecord, FromOutsideMustHaveTheSizesOfTheModel) {
  EXPECT_THAT(find_fault(good_record(), {.num_layers = 3, .num_experts = 8}),
              Optional(HasSubstr("2 layers, but the model has 3")));
}

TEST(StepRecord, FromOutsideCannotClaimMoreRowsThanTokensTimesExperts) {
  StepRecord full = good_record();
  full.executed_L = {300, 300};
  StepRecord one_more = full;
  one_more.executed_L[1] = 301;
  StepRecord absurd = full;
  absurd.executed_L[0] = std::numeric_limits<std::int64_t>::max();
  const RecordShape shape{.num_layers = 2, .num_experts = 3};

  EXPECT_EQ(find_fault(full, shape), std::nullopt);
  EXPECT_THAT(
      find_fault(one_more, shape),
      Optional(HasSubstr("layer 1 executed 301 rows, more than 100 tokens times 3 experts")));
  EXPECT_THAT(find_fault(absurd, shape), Optional(HasSubstr("more than 100 tokens")));
}

}  // namespace
}  // namespace softmoe::budget
