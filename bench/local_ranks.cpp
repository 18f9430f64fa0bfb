#include "bench/local_ranks.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/rank_workspace.h"
#include "parallel/local/local_world.h"

namespace softmoe::bench {

void run_local_ranks(int num_ranks, int threads, const RankWork& work) {
  const parallel::LocalWorld world(num_ranks);
  std::mutex mutex;
  std::exception_ptr first_failure;
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < num_ranks; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto communicator = world.communicator(Rank(rank));
      try {
        RankWorkspace workspace({.num_threads = threads});
        work(*communicator, workspace.work());
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first_failure) first_failure = std::current_exception();
        communicator->abort();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  if (first_failure) std::rethrow_exception(first_failure);
}

}  // namespace softmoe::bench
