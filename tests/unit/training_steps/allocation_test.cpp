// Once the first two steps have taken what they need, a step takes no memory: neither from the
// heap nor from the device, however many rows its tokens run.

#include <gtest/gtest.h>

#include <set>

#include "tests/support/local_world.h"
#include "tests/unit/training_steps/heap_counter.h"
#include "tests/unit/training_steps/small_run.h"

namespace softmoe::test {
namespace {

/// The processor, counting what is taken from it. Work runs at once in every mode of the tests:
/// held work takes memory to be held in.
class CountingDevice final : public Device {
 public:
  explicit CountingDevice(int num_threads) : cpu_({.num_threads = num_threads}) {}

  [[nodiscard]] Backend backend() const override { return cpu_.backend(); }
  [[nodiscard]] Workers& workers() override { return cpu_.workers(); }
  [[nodiscard]] Schedule* schedule() override { return cpu_.schedule(); }
  [[nodiscard]] Accelerator* accelerator() override { return nullptr; }
  [[nodiscard]] void* allocate(Bytes size) override {
    ++allocations_;
    return cpu_.allocate(size);
  }
  void deallocate(void* memory, Bytes size) noexcept override { cpu_.deallocate(memory, size); }
  [[nodiscard]] void* allocate_host(Bytes size) override { return cpu_.allocate_host(size); }
  void deallocate_host(void* memory, Bytes size) noexcept override {
    cpu_.deallocate_host(memory, size);
  }

  [[nodiscard]] std::int64_t allocations() const { return allocations_; }

 private:
  CpuDevice cpu_;
  std::int64_t allocations_ = 0;
};

struct Taken {
  std::int64_t from_heap = 0;
  std::int64_t from_device = 0;
};

struct Observed {
  Taken first_two;
  Taken later;
  std::set<std::int64_t> row_counts;  ///< rows executed, of every step
};

using HeapCount = std::int64_t (*)();

Observed observe_steps(const RunPlan& plan, parallel::Communicator& world, int num_threads,
                       HeapCount heap) {
  constexpr Bytes kArena{std::int64_t{16} << 20};
  CountingDevice device(num_threads);
  Stream compute(device);
  Stream exchange(device);
  Stream reduce(device);
  Arena saved(device, kArena);
  Arena scratch(device, kArena);
  Progress progress;
  Workspace work{.saved = saved,
                 .scratch = scratch,
                 .compute = compute,
                 .exchange = exchange,
                 .reduce = reduce,
                 .progress = progress};
  SmallRun run(plan, world, work);
  Observed observed;
  for (std::int64_t step = 0; step < plan.training.steps; ++step) {
    const Taken before{heap(), device.allocations()};
    const training::StepResult& result = run.step();
    const Taken after{heap(), device.allocations()};

    Taken& taken = step < 2 ? observed.first_two : observed.later;
    taken.from_heap += after.from_heap - before.from_heap;
    taken.from_device += after.from_device - before.from_device;
    observed.row_counts.insert(result.record.executed_L[0] + result.record.executed_L[1]);
  }
  return observed;
}

void expect_nothing_taken(const Observed& observed, std::size_t least_row_counts = 11) {
  EXPECT_GT(observed.first_two.from_heap, 0);  // the counter does count
  EXPECT_EQ(observed.later.from_heap, 0);
  EXPECT_EQ(observed.first_two.from_device, 0);  // all of it was taken before the first step
  EXPECT_EQ(observed.later.from_device, 0);
  EXPECT_GE(observed.row_counts.size(), least_row_counts);  // no two steps need the same sizes
}

void expect_no_allocation_on(int num_ranks, const RunPlan& plan,
                             std::size_t least_row_counts = 11) {
  run_ranks(num_ranks, [&](parallel::Communicator& world, OnDevice&) {
    expect_nothing_taken(observe_steps(plan, world, /*num_threads=*/1, heap_allocations_here),
                         least_row_counts);
  });
}

TEST(Allocation, AStepOfOneRankTakesNothing) {
  expect_no_allocation_on(1, small_plan());
}

TEST(Allocation, AStepOfTwoRanksTakesNothing) {
  expect_no_allocation_on(2, small_plan());
}

TEST(Allocation, NoThreadOfAStepTakesAnything) {
  run_ranks(1, [&](parallel::Communicator& world, OnDevice&) {
    expect_nothing_taken(
        observe_steps(small_plan(), world, /*num_threads=*/2, heap_allocations_anywhere));
  });
}

TEST(Allocation, NoiseAndTheBoxOfLayerMeansTakeNothing) {
  RunPlan plan = small_plan();
  plan.model.router.noise_std = 0.3;
  plan.model.router.layer_means = router::LayerMeans::box;

  expect_no_allocation_on(1, plan);
}

TEST(Allocation, AQuotaTakesNothing) {
  RunPlan plan = small_plan();
  plan.set_points.mode = budget::Mode::quota;
  plan.set_points.budget = 4.001;  // 1024.256 rows a step: the number of rows changes by one
  plan.set_points.layer_max_L = {3.0, 3.5};
  plan.training.lanes = 3;

  expect_no_allocation_on(1, plan, /*least_row_counts=*/2);
  expect_no_allocation_on(2, plan, /*least_row_counts=*/2);
}

TEST(Allocation, ExactGradientsTakeNothing) {
  RunPlan plan = small_plan();
  plan.training.determinism = Determinism::layout_invariant;

  expect_no_allocation_on(1, plan);
  expect_no_allocation_on(2, plan);
}

TEST(Allocation, WavesTakeNothing) {
  RunPlan plan = small_plan();
  plan.max_received_rows = 48;

  expect_no_allocation_on(1, plan);
  expect_no_allocation_on(2, plan);
}

TEST(Allocation, RecomputationTakesNothing) {
  RunPlan plan = small_plan();
  plan.training.recompute = model::Recompute::block;

  expect_no_allocation_on(1, plan);
  expect_no_allocation_on(2, plan);
}

TEST(Allocation, RecomputationInWavesTakesNothing) {
  RunPlan plan = small_plan();
  plan.max_received_rows = 48;
  plan.training.recompute = model::Recompute::block;

  expect_no_allocation_on(2, plan);
}

TEST(Allocation, TokensThatRunNoExpertTakeNothing) {
  RunPlan plan = small_plan();
  plan.model.router.floor = 0;
  plan.model.router.gate = router::GateRule::relu;
  plan.training.lanes = 3;  // on two ranks the last round leaves one without tokens

  expect_no_allocation_on(2, plan);
}

}  // namespace
}  // namespace softmoe::test
