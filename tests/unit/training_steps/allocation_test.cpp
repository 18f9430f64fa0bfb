#include <gtest/gtest.h>
#include "tests/support/local_world.h"
#include "tests/unit/training_steps/heap_counter.h"
#include "tests/unit/training_steps/small_run.h"
namespace softmoe::test {
namespace {
void go(int ranks, const RunPlan& plan, const char* what) {
  run_ranks(ranks, [&](parallel::Communicator& world, OnDevice& on) {
    SmallRun run(plan, world, on.work);
    std::int64_t first = 0, later = 0; int last_with = -1;
    for (int step = 0; step < 50; ++step) {
      const std::int64_t before = heap_allocations_here();
      run.step();
      const auto n = heap_allocations_here() - before;
      (step < 2 ? first : later) += n;
      if (n) last_with = step;
    }
    std::printf("%s ranks %d: first two %ld later %ld last with %d\n", what, ranks, first, later, last_with);
  });
}
TEST(Allocation, XX) {
  for (int ranks : {1, 2}) {
    go(ranks, small_plan(), "simplex");
    auto p = small_plan(); p.model.router.layer_means = router::LayerMeans::box; go(ranks, p, "box");
    p = small_plan(); p.model.router.kind = router::RouterKind::top_k; p.model.router.normalisation = router::ScoreNormalisation::off; go(ranks, p, "topk");
    p = small_plan(); p.model.router.kind = router::RouterKind::hash; go(ranks, p, "hash");
    p = small_plan(); p.model.router.noise_std = 0.3;p.model.router.floor=0; p.training.lanes = 3; go(ranks, p, "noise");
  }
}
}
}
