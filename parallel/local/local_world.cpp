#include "parallel/local/local_world.h"

#include "parallel/local/local_communicator.h"

namespace softmoe::parallel {

LocalWorld::LocalWorld(int size, CommOptions options) : size_(size), options_(options) {
  require(size >= 1, "a LocalWorld has at least one rank");
  hub_ = std::make_shared<LocalHub>(size);
  group_ = std::make_shared<LocalGroup>(size);
}

std::unique_ptr<Communicator> LocalWorld::communicator(Rank rank) const {
  check_peer("LocalWorld", rank, size_);
  RankGroup world{.members = {}, .rank = rank};
  for (int r = 0; r < size_; ++r) world.members.emplace_back(r);
  return std::make_unique<LocalCommunicator>(
      std::move(world), options_,
      LocalCommunicator::Shared{hub_, group_, std::make_shared<OperationOrder>()});
}

}  // namespace softmoe::parallel
