#include "parallel/mpi/mpi_communicator.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "parallel/bytes.h"
#include "parallel/mpi/mpi_error.h"
#include "parallel/mpi/poll_pace.h"
#include "runtime/base/deadline.h"

namespace softmoe::parallel {

namespace {

std::vector<int> nodes_of(const RankGroup& group, const MpiWorld& world) {
  std::vector<int> node_of_ranks;
  for (const Rank member : group.members) {
    node_of_ranks.push_back(world.node_of_ranks[static_cast<std::size_t>(member.value)]);
  }
  return node_of_ranks;
}

}  // namespace

MpiCommunicator::MpiCommunicator(RankGroup group, Comm comm, std::shared_ptr<MpiWorld> world)
    : group_(std::move(group)),
      comm_(std::move(comm)),
      world_(std::move(world)),
      order_(nodes_of(group_, *world_), group_.rank) {}

MpiCommunicator::~MpiCommunicator() {
  // Freeing drives progress, and messages of a failed operation would land in memory that is gone.
  if (world_->has_failed) comm_.abandon();
}

void MpiCommunicator::all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) {
  check_all_gather(mine, all, size());
  world_->order.enqueue(stream, [=, this] { all_gather_now(mine, all, kAllGather); });
}

void MpiCommunicator::broadcast(View<std::byte> data, Rank root, Stream& stream) {
  check_peer("broadcast", root, size());
  world_->order.enqueue(stream, [=, this] { broadcast_now(data, root); });
}

void MpiCommunicator::exchange(std::span<const SendMessage> sends,
                               std::span<const ReceiveMessage> receives, Stream& stream) {
  check_exchange(sends, receives, rank(), size());
  if (stream.device().schedule() == nullptr) {
    world_->order.enqueue(stream, [=, this] { exchange_now(sends, receives); });
    return;
  }
  // The lists belong to the caller, who may change them before held work runs.
  world_->order.enqueue(stream, [this, sends = std::vector(sends.begin(), sends.end()),
                                 receives = std::vector(receives.begin(), receives.end())] {
    exchange_now(sends, receives);
  });
}

void MpiCommunicator::barrier() {
  world_->order.settle();
  const std::byte mine{1};
  std::vector<std::byte> all(group_.members.size());
  all_gather_now({&mine, 1}, {all.data(), size()}, kBarrier);
}

std::unique_ptr<Communicator> MpiCommunicator::split(int color, int key) {
  world_->order.settle();
  const SplitChoice mine{.color = color, .key = key};
  std::vector<SplitChoice> choices(group_.members.size());
  all_gather_now(bytes_of(View<const SplitChoice>(&mine, 1)),
                 bytes_of(View<SplitChoice>(choices.data(), size())), kSplit);
  RankGroup part = split_group(group_, choices);

  // Everybody has come, so this call finds its peers at work. MPI's colors are not negative: the
  // world rank of the first member is one that all members agree on.
  MPI_Comm comm = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(comm_.get(), part.in_world(Rank(0)).value, part.rank.value, &comm),
            "MPI_Comm_split");
  return std::make_unique<MpiCommunicator>(std::move(part), Comm(comm, Comm::Ownership::owned),
                                           world_);
}

void MpiCommunicator::abort() noexcept {
  world_->give_up("");
}

void MpiCommunicator::all_gather_now(View<const std::byte> mine, View<std::byte> all,
                                     Operation operation) {
  const std::int64_t part = mine.size();
  const auto part_of = [&](Rank peer) {
    return all.part(peer.value * part, (peer.value + 1) * part);
  };
  run(operation, [&](MpiRequests& requests) {
    for (const Rank peer : order_.peers()) requests.receive(peer, part_of(peer));
    for (const Rank peer : order_.peers()) requests.send(peer, mine);
    if (part > 0 && part_of(rank()).data() != mine.data())
      std::memcpy(part_of(rank()).data(), mine.data(), static_cast<std::size_t>(part));
  });
}

void MpiCommunicator::broadcast_now(View<std::byte> data, Rank root) {
  // A binomial tree over ranks counted from the root: who has the data sends it to the rank one
  // power of two further on.
  const auto peer_at = [&](int relative) { return Rank((relative + root.value) % size()); };
  const int relative = (rank().value - root.value + size()) % size();
  int reach = 1;
  while (reach <= relative) reach *= 2;
  if (relative > 0) {
    run(kBroadcast,
        [&](MpiRequests& requests) { requests.receive(peer_at(relative - reach / 2), data); });
  }
  run(kBroadcast, [&](MpiRequests& requests) {
    for (int step = reach; relative + step < size(); step *= 2)
      requests.send(peer_at(relative + step), data);
  });
}

template <class Messages, class PeerOf>
void MpiCommunicator::order_by_peer(const Messages& messages, const PeerOf& peer_of) {
  turns_.clear();
  for (std::size_t index = 0; index < messages.size(); ++index) {
    const Rank peer = peer_of(messages[index]);
    if (peer != rank()) turns_.push_back({order_.place_of(peer), index});
  }
  std::sort(turns_.begin(), turns_.end(), [](const Turn& x, const Turn& y) {
    return std::tie(x.place, x.index) < std::tie(y.place, y.index);
  });
}

template <class Messages, class Part, class Visit>
void MpiCommunicator::for_each_peer(const Messages& messages, std::vector<Part>& parts,
                                    const Visit& visit) {
  for (auto turn = turns_.begin(); turn != turns_.end();) {
    const int place = turn->place;
    parts.clear();
    for (; turn != turns_.end() && turn->place == place; ++turn)
      parts.push_back(messages[turn->index].data);
    visit(order_.peers()[static_cast<std::size_t>(place)]);
  }
}

void MpiCommunicator::exchange_now(std::span<const SendMessage> sends,
                                   std::span<const ReceiveMessage> receives) {
  run(kExchange, [&](MpiRequests& requests) {
    order_by_peer(receives, [](const ReceiveMessage& message) { return message.from; });
    for_each_peer(receives, receive_parts_,
                  [&](Rank peer) { requests.receive(peer, receive_parts_); });
    order_by_peer(sends, [](const SendMessage& message) { return message.to; });
    for_each_peer(sends, send_parts_, [&](Rank peer) { requests.send(peer, send_parts_); });
    copy_own_messages(sends, receives, rank());
  });
}

template <class Messages>
void MpiCommunicator::run(Operation operation, Messages messages) {
  const Waiting waiting{operation.name, group_, world_->options.comm.timeout};
  world_->check_alive(waiting);
  requests_.begin({comm_.get(), operation.tag, world_->options.max_message.value}, waiting);
  try {
    messages(requests_);
    wait(waiting);
  } catch (const CommError& error) {
    // Told here, while the memory of messages under way is still there: telling drives progress.
    world_->give_up(error.what());
    throw;
  }
}

void MpiCommunicator::wait(const Waiting& waiting) {
  const Deadline deadline = Deadline::in(waiting.limit);
  PollPace pace(requests_.pending_bytes());
  while (!requests_.poll()) {
    if (!pace.rest()) continue;
    world_->look_for_notices(waiting);
    if (deadline.passed()) throw CommError(late_text(waiting, requests_.pending_peers()));
  }
}

}  // namespace softmoe::parallel
