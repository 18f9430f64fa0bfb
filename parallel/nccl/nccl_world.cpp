#include "parallel/nccl_world.h"

#include <fmt/format.h>

#include "parallel/nccl/nccl_communicator.h"
#include "parallel/nccl/nccl_error.h"

namespace softmoe::parallel {

namespace {

// NCCL's own limit: as many blocks as it has channels.
constexpr int kMostCtas = 64;

void check_limit(std::string_view name, int max_ctas) {
  if (max_ctas < 0 || max_ctas > kMostCtas) {
    throw InvalidArgument(fmt::format("{} is {}, but NCCL takes 1 to {} blocks (0: it decides)",
                                      name, max_ctas, kMostCtas));
  }
}

}  // namespace

std::string nccl_version() {
  int code = 0;
  check_nccl(ncclGetVersion(&code), "ncclGetVersion");
  return fmt::format("NCCL {}.{}.{}", code / 10'000, code / 100 % 100, code % 100);
}

std::unique_ptr<Communicator> make_nccl_world(const NcclPlace& place, const NcclOptions& options) {
  check_limit("world_max_ctas", options.world_max_ctas);
  check_limit("group_max_ctas", options.group_max_ctas);
  check_peer("make_nccl_world", place.rank, place.size);
  require(place.device.accelerator() != nullptr, "a world over NCCL wants the device of a GPU");

  RankGroup group{.members = {}, .rank = place.rank};
  for (int r = 0; r < place.size; ++r) group.members.emplace_back(r);
  auto world = std::make_unique<NcclCommunicator>(
      std::move(group), std::make_shared<NcclRank>(place.device, options));

  ncclUniqueId id{};
  if (place.rank == Rank(0)) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
  place.ids.share(std::as_writable_bytes(std::span(id.internal)), place.rank);
  world->join(id);
  place.ids.finish(place.rank);
  return world;
}

}  // namespace softmoe::parallel
