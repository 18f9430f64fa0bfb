#include "launcher/run/rank_session.h"

namespace softmoe::launcher {

namespace {

parallel::CommOptions comm_options(const RunConfig& config) {
  return {.timeout = std::chrono::seconds(config.parallel.timeout_seconds)};
}

}  // namespace

RankSession::RankSession(const LaunchEnvironment& environment, const RunConfig& config)
    : device_({.backend = config.runtime.backend, .num_threads = config.runtime.threads}),
      compute_(device_),
      exchange_(device_),
      saved_(device_, Bytes(config.runtime.arena_bytes)),
      scratch_(device_, Bytes(config.runtime.arena_bytes)),
      work_{.saved = saved_,
            .scratch = scratch_,
            .compute = compute_,
            .exchange = exchange_,
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
