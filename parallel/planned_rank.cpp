#include "parallel/planned_rank.h"

#include "runtime/base/errors.h"

namespace softmoe::parallel {

namespace {

[[noreturn]] void refuse() {
  throw InternalError("a rank on paper was asked to talk to its peers");
}

}  // namespace

void PlannedRank::all_gather(View<const std::byte>, View<std::byte>, Stream&) {
  refuse();
}

void PlannedRank::broadcast(View<std::byte>, Rank, Stream&) {
  refuse();
}

void PlannedRank::exchange(std::span<const SendMessage>, std::span<const ReceiveMessage>, Stream&) {
  refuse();
}

void PlannedRank::barrier() {
  refuse();
}

std::unique_ptr<Communicator> PlannedRank::split(int, int) {
  refuse();
}

}  // namespace softmoe::parallel
