#include "parallel/mpi/mpi_session.h"

#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "parallel/mpi/mpi_communicator.h"
#include "parallel/mpi/mpi_error.h"

namespace softmoe::parallel {

namespace {

/// A number for the node of each rank of `world`: the first rank that it shares memory with. Waits
/// without a deadline, as MPI_Init does.
std::vector<int> find_nodes(MPI_Comm world, int size) {
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  int first = 0;
  check_mpi(MPI_Comm_rank(world, &first), "MPI_Comm_rank");
  check_mpi(MPI_Bcast(&first, 1, MPI_INT, 0, node), "MPI_Bcast");
  MPI_Comm_free(&node);
  std::vector<int> node_of_ranks(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&first, 1, MPI_INT, node_of_ranks.data(), 1, MPI_INT, world),
            "MPI_Allgather");
  return node_of_ranks;
}

std::vector<int> equal_nodes(int size, int ranks_per_node) {
  std::vector<int> node_of_ranks;
  for (int rank = 0; rank < size; ++rank) node_of_ranks.push_back(rank / ranks_per_node);
  return node_of_ranks;
}

}  // namespace

MpiSession::MpiSession(MpiOptions options)
    : exceptions_at_start_(std::uncaught_exceptions()), world_(std::make_shared<MpiWorld>()) {
  require(options.max_message.value > 0, "a piece of an MPI message has at least one byte");
  world_->options = options;
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED)
    throw CommError("MPI_Init_thread: this MPI does not allow other threads beside its own");

  // Errors come back as codes, also from communicators split off later.
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world_->messages), "MPI_Comm_dup");
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world_->notices), "MPI_Comm_dup");
  check_mpi(MPI_Comm_rank(world_->messages, &world_->rank.value), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(world_->messages, &world_->size), "MPI_Comm_size");
  world_->node_of_ranks = options.ranks_per_node > 0
                              ? equal_nodes(world_->size, options.ranks_per_node)
                              : find_nodes(world_->messages, world_->size);
}

MpiSession::~MpiSession() {
  if (std::uncaught_exceptions() > exceptions_at_start_) world_->give_up("an exception passes");
  finish();
}

Rank MpiSession::rank() const {
  return world_->rank;
}

int MpiSession::size() const {
  return world_->size;
}

std::unique_ptr<Communicator> MpiSession::world() {
  RankGroup group{.members = {}, .rank = world_->rank};
  for (int r = 0; r < world_->size; ++r) group.members.emplace_back(r);
  return std::make_unique<MpiCommunicator>(
      std::move(group),
      MpiCommunicator::Comm(world_->messages, MpiCommunicator::Comm::Ownership::borrowed), world_);
}

void MpiSession::finish() noexcept {
  // Held work that was never waited for leaves the peers waiting, like a failure.
  if (world_->has_failed || !world_->order.is_settled()) return;
  try {
    // MPI_Finalize waits without a deadline; behind this barrier it has nothing to wait for.
    world()->barrier();
  } catch (const std::exception&) {
    return;  // the barrier has told the peers
  }
  MPI_Comm_free(&world_->messages);
  MPI_Comm_free(&world_->notices);
  MPI_Finalize();
}

void MpiSession::leave(int exit_code) noexcept {
  std::fflush(nullptr);
  _exit(exit_code);
}

}  // namespace softmoe::parallel
