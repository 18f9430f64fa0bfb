#include "tests/support/local_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "parallel/local/local_world.h"
#include "tests/support/first_failure.h"
#include "tests/support/patience.h"

namespace softmoe::test {

void run_ranks(int num_ranks, const RankFunction& function) {
  run_ranks(num_ranks, {.timeout = patience(std::chrono::seconds(20))}, function);
}

void run_ranks(int num_ranks, parallel::CommOptions options, const RankFunction& function) {
  constexpr Bytes kArena{std::int64_t{16} << 20};
  const parallel::LocalWorld world(num_ranks, options);
  FirstFailure failure;
  const auto run_rank = [&](Rank rank) {
    const testing::ScopedTrace trace(__FILE__, __LINE__,
                                     fmt::format("rank {} of {}", rank.value, num_ranks));
    const std::unique_ptr<parallel::Communicator> communicator = world.communicator(rank);
    try {
      OnDevice device(Backend::cpu, /*num_threads=*/1, kArena);
      function(*communicator, device);
      device.stream.synchronize();
      device.exchange.synchronize();
    } catch (...) {
      failure.keep(std::current_exception());
      communicator->abort();
    }
  };

  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) threads.emplace_back(run_rank, Rank(rank));
  for (std::thread& thread : threads) thread.join();
  failure.rethrow();
}

}  // namespace softmoe::test
