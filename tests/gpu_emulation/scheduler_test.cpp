// What the scheduler does with work that waits for more than its stream.

#include "tests/gpu_emulation/scheduler.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "tests/gpu_emulation/emulation.h"

namespace softmoe::gpu_emulation {
namespace {

using testing::HasSubstr;

/// Work that may run when the test says so.
class Gate final : public WorkItem {
 public:
  explicit Gate(const std::atomic<bool>& open) : open_(open) {}

  bool ready() override { return open_; }
  void run() override {}
  std::string describe() const override { return "a gate"; }

 private:
  const std::atomic<bool>& open_;
};

class Scheduling : public testing::Test {
 protected:
  ~Scheduling() override {
    scheduler().set_deadlock_patience(std::chrono::seconds(20));
    EXPECT_TRUE(scheduler().destroy_stream(stream_));
  }

  std::atomic<bool> open_ = false;
  Stream* stream_ = scheduler().create_stream(0);
};

TEST_F(Scheduling, WaitsForWorkThatSomebodyElseMakesReady) {
  scheduler().enqueue(*stream_, std::make_unique<Gate>(open_));
  const std::shared_ptr<Mark> mark = scheduler().record(*stream_);
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    open_ = true;
    scheduler().wake();
  });

  EXPECT_TRUE(scheduler().wait(*mark));

  opener.join();
}

TEST_F(Scheduling, WorkThatNeverGetsReadyIsADeadlock) {
  scheduler().enqueue(*stream_, std::make_unique<Gate>(open_));
  const std::shared_ptr<Mark> mark = scheduler().record(*stream_);
  scheduler().set_deadlock_patience(std::chrono::milliseconds(20));

  EXPECT_FALSE(scheduler().wait(*mark));

  const std::vector<Fault> faults = take_faults();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].kind, FaultKind::deadlock);
  EXPECT_THAT(faults[0].text, HasSubstr("of device 0: a gate and 1 more"));
}

TEST_F(Scheduling, APollOfWorkThatIsNotReadyReturns) {
  scheduler().enqueue(*stream_, std::make_unique<Gate>(open_));
  const std::shared_ptr<Mark> mark = scheduler().record(*stream_);

  EXPECT_FALSE(scheduler().poll(*mark));

  open_ = true;
  EXPECT_TRUE(scheduler().wait(*mark));
}

}  // namespace
}  // namespace softmoe::gpu_emulation
