#include "coordinator/record_memory.h"

#include <gtest/gtest.h>

#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

AuditedRecord record_of(std::int64_t step, double lambda = 0.0) {
  return {small_plant({.step = Step{step}, .lambda = lambda}), {}};
}

TEST(RecordMemory, TellsAnotherRecordForAKnownStep) {
  RecordMemory memory;
  for (std::int64_t step = 0; step < 10; ++step) memory.remember(record_of(step));

  EXPECT_FALSE(memory.differs(record_of(5)));
  EXPECT_TRUE(memory.differs(record_of(5, 0.1)));
  EXPECT_FALSE(memory.differs(record_of(10, 0.1))) << "not known at all";
}

TEST(RecordMemory, ForgetsWhatIsMadeAnew) {
  RecordMemory memory;
  for (std::int64_t step = 0; step < 10; ++step) memory.remember(record_of(step));

  memory.forget_from(Step{5});

  EXPECT_FALSE(memory.differs(record_of(5, 0.1)));
  EXPECT_TRUE(memory.differs(record_of(4, 0.1)));
}

TEST(RecordMemory, ManyRecordsAtOnceShareTheirTime) {
  RecordMemory memory;
  memory.note_arrival(3, at(0));
  EXPECT_EQ(memory.median_step_seconds(), 0.0);
  memory.note_arrival(4, at(2));

  EXPECT_DOUBLE_EQ(memory.median_step_seconds(), 0.5);
}

}  // namespace
}  // namespace softmoe::coordinator
