#pragma once

// A place in a group that exists on paper.

#include "parallel/communicator.h"

namespace softmoe::parallel {

/// Knows its rank and the size of its group, so that shares and messages can be counted for any
/// number of ranks. There are no peers: every call that would need them is an InternalError.
class PlannedRank final : public Communicator {
 public:
  PlannedRank(Rank rank, int size) : rank_(rank), size_(size) {}

  [[nodiscard]] Rank rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) override;
  void broadcast(View<std::byte> data, Rank root, Stream& stream) override;
  void exchange(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                Stream& stream) override;
  void barrier() override;
  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;
  void abort() noexcept override {}

 private:
  Rank rank_;
  int size_;
};

}  // namespace softmoe::parallel
