#pragma once

// A communicator that counts what its rank sends to others.

#include <cstdint>
#include <memory>

#include "parallel/communicator.h"

namespace softmoe::test {

/// Bytes sent to other ranks, by kind of call.
struct SentBytes {
  std::int64_t exchanged = 0;
  std::int64_t gathered = 0;
};

/// Hands every call on. Those that were split off count on their own.
class CountingRank final : public parallel::Communicator {
 public:
  explicit CountingRank(parallel::Communicator& inner) : inner_(&inner) {}
  explicit CountingRank(std::unique_ptr<parallel::Communicator> inner)
      : owned_(std::move(inner)), inner_(owned_.get()) {}

  [[nodiscard]] Rank rank() const override { return inner_->rank(); }
  [[nodiscard]] int size() const override { return inner_->size(); }
  void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) override {
    sent_.gathered += mine.bytes() * (size() - 1);
    inner_->all_gather(mine, all, stream);
  }
  void broadcast(View<std::byte> data, Rank root, Stream& stream) override {
    inner_->broadcast(data, root, stream);
  }
  void exchange(std::span<const parallel::SendMessage> sends,
                std::span<const parallel::ReceiveMessage> receives, Stream& stream) override {
    for (const parallel::SendMessage& message : sends) {
      if (message.to != rank()) sent_.exchanged += message.data.bytes();
    }
    inner_->exchange(sends, receives, stream);
  }
  void barrier() override { inner_->barrier(); }
  [[nodiscard]] std::unique_ptr<parallel::Communicator> split(int color, int key) override {
    return std::make_unique<CountingRank>(inner_->split(color, key));
  }
  void abort() noexcept override { inner_->abort(); }

  [[nodiscard]] const SentBytes& sent() const { return sent_; }

 private:
  std::unique_ptr<parallel::Communicator> owned_;
  parallel::Communicator* inner_;
  SentBytes sent_;
};

}  // namespace softmoe::test
