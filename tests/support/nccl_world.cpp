#include "tests/support/nccl_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "parallel/local/local_world.h"
#include "runtime/device/cuda_device.h"
#include "tests/support/first_failure.h"
#include "tests/support/patience.h"

namespace softmoe::test {

namespace {

constexpr Bytes kArena{std::int64_t{16} << 20};

/// What ranks threw. A CommError may be the consequence of what another rank threw a little later:
/// that one's communicators end before its exception is caught.
struct Failures {
  FirstFailure others;
  FirstFailure comm_errors;

  void keep(std::exception_ptr failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const CommError&) {
      comm_errors.keep(failure);
    } catch (...) {
      others.keep(failure);
    }
  }
  void rethrow() const {
    others.rethrow();
    comm_errors.rethrow();
  }
};

/// One rank from its first breath: the device, the world, `function`.
void run_rank(const parallel::NcclOptions& options, parallel::Communicator& host_world,
              const RankFunction& function, Failures& failures) {
  OnDevice device(make_cuda_device(LocalRank(host_world.rank().value)), kArena);
  const auto ids = parallel::exchange_id_over(host_world);
  const auto world = parallel::make_nccl_world(
      {.rank = host_world.rank(), .size = host_world.size(), .device = device.device, .ids = *ids},
      options);
  try {
    function(*world, device);
    device.stream.synchronize();
    device.exchange.synchronize();
  } catch (...) {
    failures.keep(std::current_exception());
    world->abort();
  }
}

}  // namespace

void run_nccl_ranks(int num_ranks, const RankFunction& function) {
  run_nccl_ranks(num_ranks, {.comm = {.timeout = patience(std::chrono::seconds(20))}}, function);
}

void run_nccl_ranks(int num_ranks, const parallel::NcclOptions& options,
                    const RankFunction& function) {
  const parallel::LocalWorld host_world(num_ranks, options.comm);
  Failures failures;
  std::vector<std::thread> threads;
  for (int r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&, rank = Rank(r)] {
      const testing::ScopedTrace trace(__FILE__, __LINE__,
                                       fmt::format("rank {} of {}", rank.value, num_ranks));
      const auto communicator = host_world.communicator(rank);
      try {
        run_rank(options, *communicator, function, failures);
      } catch (...) {
        failures.keep(std::current_exception());
        communicator->abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  failures.rethrow();
}

bool has_gpus_for(int num_ranks) {
  return cuda_availability().num_devices >= num_ranks;
}

}  // namespace softmoe::test
