#include "parallel/local/local_communicator.h"

#include "parallel/bytes.h"

namespace softmoe::parallel {

namespace {

/// Whatever happens to an operation, nobody reads its memory after it.
class Posted {
 public:
  Posted(LocalHub& hub, LocalGroup& boxes, const RankGroup& group)
      : hub_(hub), boxes_(boxes), group_(group) {}
  ~Posted() { hub_.withdraw(boxes_, group_); }
  Posted(const Posted&) = delete;
  Posted& operator=(const Posted&) = delete;

 private:
  LocalHub& hub_;
  LocalGroup& boxes_;
  const RankGroup& group_;
};

}  // namespace

LocalCommunicator::LocalCommunicator(RankGroup group, CommOptions options, Shared shared)
    : group_(std::move(group)), options_(options), shared_(std::move(shared)) {}

void LocalCommunicator::all_gather(View<const std::byte> mine, View<std::byte> all,
                                   Stream& stream) {
  check_all_gather(mine, all, size());
  shared_.order->enqueue(stream, [=, this] { all_gather_now(mine, all, "all_gather"); });
}

void LocalCommunicator::broadcast(View<std::byte> data, Rank root, Stream& stream) {
  check_peer("broadcast", root, size());
  shared_.order->enqueue(stream, [=, this] { broadcast_now(data, root); });
}

void LocalCommunicator::exchange(std::span<const SendMessage> sends,
                                 std::span<const ReceiveMessage> receives, Stream& stream) {
  check_exchange(sends, receives, rank(), size());
  if (stream.device().schedule() == nullptr) {
    shared_.order->enqueue(stream, [=, this] { transfer(sends, receives, "exchange"); });
    return;
  }
  // The lists belong to the caller, who may change them before held work runs.
  shared_.order->enqueue(stream, [this, sends = std::vector(sends.begin(), sends.end()),
                                  receives = std::vector(receives.begin(), receives.end())] {
    transfer(sends, receives, "exchange");
  });
}

void LocalCommunicator::barrier() {
  shared_.order->settle();
  const std::byte mine{1};
  std::vector<std::byte> all(group_.members.size());
  all_gather_now({&mine, 1}, {all.data(), size()}, "barrier");
}

std::unique_ptr<Communicator> LocalCommunicator::split(int color, int key) {
  shared_.order->settle();
  const SplitChoice mine{.color = color, .key = key};
  std::vector<SplitChoice> choices(group_.members.size());
  all_gather_now(bytes_of(View<const SplitChoice>(&mine, 1)),
                 bytes_of(View<SplitChoice>(choices.data(), size())), "split");
  RankGroup part = split_group(group_, choices);
  Shared shared = shared_;
  shared.boxes = shared_.hub->meet({shared_.boxes.get(), num_splits_++, color}, part.size());
  return std::make_unique<LocalCommunicator>(std::move(part), options_, std::move(shared));
}

void LocalCommunicator::abort() noexcept {
  shared_.hub->fail(group_.in_world(rank()), "");
}

void LocalCommunicator::all_gather_now(View<const std::byte> mine, View<std::byte> all,
                                       std::string_view operation) {
  const std::int64_t part = mine.size();
  const auto part_of = [&](Rank peer) {
    return all.part(peer.value * part, (peer.value + 1) * part);
  };
  sends_.clear();
  receives_.clear();
  for (int distance = 1; distance < size(); ++distance) {
    const Rank to((rank().value + distance) % size());
    const Rank from((rank().value - distance + size()) % size());
    sends_.push_back({to, mine});
    receives_.push_back({from, part_of(from)});
  }
  if (part_of(rank()).data() != mine.data()) {
    sends_.push_back({rank(), mine});
    receives_.push_back({rank(), part_of(rank())});
  }
  transfer(sends_, receives_, operation);
}

void LocalCommunicator::broadcast_now(View<std::byte> data, Rank root) {
  sends_.clear();
  receives_.clear();
  if (rank() != root) {
    receives_.push_back({root, data});
  } else {
    for (Rank to{0}; to.value < size(); ++to.value) {
      if (to != root) sends_.push_back({to, data});
    }
  }
  transfer(sends_, receives_, "broadcast");
}

void LocalCommunicator::transfer(std::span<const SendMessage> sends,
                                 std::span<const ReceiveMessage> receives,
                                 std::string_view operation) {
  const Waiting waiting{operation, group_, options_.timeout};
  const Deadline deadline = Deadline::in(options_.timeout);
  LocalHub& hub = *shared_.hub;
  LocalGroup& boxes = *shared_.boxes;
  // Everything is offered before anything is waited for, so receiving in the order listed cannot
  // end in a circle.
  const Posted posted(hub, boxes, group_);
  hub.post(boxes, sends, waiting);
  copy_own_messages(sends, receives, rank());
  for (const ReceiveMessage& receive : receives) {
    if (receive.from != rank() && !receive.data.empty())
      hub.take(boxes, receive, waiting, deadline);
  }
  hub.wait_until_taken(boxes, waiting, deadline);
}

}  // namespace softmoe::parallel
