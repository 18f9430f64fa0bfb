#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "parallel/local/local_hub.h"
#include "parallel/operation_order.h"
#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// One rank's end of a group of threads. Made by LocalWorld and by split().
class LocalCommunicator final : public Communicator {
 public:
  /// What it shares: `hub` with the world, `boxes` with the group, `order` with the communicators
  /// of the same rank. They end in any order, the last one frees what it shares.
  struct Shared {
    std::shared_ptr<LocalHub> hub;
    std::shared_ptr<LocalGroup> boxes;
    std::shared_ptr<OperationOrder> order;
  };

  LocalCommunicator(RankGroup group, CommOptions options, Shared shared);

  [[nodiscard]] Rank rank() const override { return group_.rank; }
  [[nodiscard]] int size() const override { return group_.size(); }
  void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) override;
  void broadcast(View<std::byte> data, Rank root, Stream& stream) override;
  void exchange(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                Stream& stream) override;
  void barrier() override;
  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;
  void abort() noexcept override;

 private:
  void all_gather_now(View<const std::byte> mine, View<std::byte> all, std::string_view operation);
  void broadcast_now(View<std::byte> data, Rank root);
  /// Sends and receives, and copies what goes to this rank itself.
  void transfer(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                std::string_view operation);

  RankGroup group_;
  CommOptions options_;
  Shared shared_;
  int num_splits_ = 0;
  std::vector<SendMessage> sends_;
  std::vector<ReceiveMessage> receives_;
};

}  // namespace softmoe::parallel
