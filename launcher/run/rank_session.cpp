#include "launcher/run/rank_session.h"

#include "launcher/run/rank_device.h"

namespace softmoe::launcher {

namespace {

parallel::CommOptions comm_options(const RunConfig& config) {
  return {.timeout = std::chrono::seconds(config.parallel.timeout_seconds)};
}

}  // namespace

RankSession::RankSession(const LaunchEnvironment& environment, const RunConfig& config)
    : device_(make_rank_device(config.runtime, environment.rank == 0)),
      compute_(*device_),
      exchange_(*device_, StreamPriority::high),
      reduce_(*device_, StreamPriority::high),
      saved_(*device_, Bytes(config.runtime.arena_bytes)),
      scratch_(*device_, Bytes(config.runtime.arena_bytes)),
      work_{.saved = saved_,
            .scratch = scratch_,
            .compute = compute_,
            .exchange = exchange_,
            .reduce = reduce_,
            .progress = progress_} {
  if (environment.expected) {
    mpi_.emplace(parallel::MpiOptions{.comm = comm_options(config)});
    parallel::check_world_size(environment.expected, mpi_->size());
    world_ = mpi_->world();
  } else {
    world_ = parallel::LocalWorld(1, comm_options(config)).communicator(Rank(0));
  }
  const int ranks = config.parallel.expert_parallel;
  groups_.emplace(parallel::make_groups(*world_, ranks == 0 ? world_->size() : ranks));
}

}  // namespace softmoe::launcher
