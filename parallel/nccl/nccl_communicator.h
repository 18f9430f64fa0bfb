#pragma once

// For files of parallel/nccl only; others get one from make_nccl_world() and split().

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "parallel/nccl/nccl_rank.h"
#include "parallel/rank_group.h"
#include "runtime/device/buffer.h"

namespace softmoe::parallel {

/// One rank's end of a group of ranks with a GPU each.
class NcclCommunicator final : public Communicator {
 public:
  /// Not connected yet.
  NcclCommunicator(RankGroup group, std::shared_ptr<NcclRank> rank);
  ~NcclCommunicator() override;

  /// Connects the world. Collective.
  void join(const ncclUniqueId& id);

  [[nodiscard]] Rank rank() const override { return group_->rank; }
  [[nodiscard]] int size() const override { return group_->size(); }
  void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) override;
  void broadcast(View<std::byte> data, Rank root, Stream& stream) override;
  void exchange(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                Stream& stream) override;
  void barrier() override;
  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;
  void abort() noexcept override;

 private:
  void all_gather_as(std::string_view operation, View<const std::byte> mine, View<std::byte> all,
                     Stream& stream);
  /// Lists in `peers_` every other rank that has a message in either list.
  void find_peers(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives);
  /// The choice of every rank, on the host, behind every operation called before.
  [[nodiscard]] std::vector<SplitChoice> gather_choices(std::string_view operation,
                                                        SplitChoice mine);

  int exceptions_at_start_;
  std::shared_ptr<const RankGroup> group_;  // shared with the watch over its operations
  std::shared_ptr<NcclRank> rank_;
  NcclHandle handle_;
  DeviceBuffer choices_;  ///< [1 + size]: this rank's, then everybody's
  HostBuffer<SplitChoice> host_choices_;
  std::vector<Rank> peers_;  ///< of the exchange being called; kept for its memory
};

}  // namespace softmoe::parallel
