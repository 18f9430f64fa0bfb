#include "parallel/nccl/nccl_communicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "parallel/bytes.h"
#include "parallel/nccl/nccl_error.h"

namespace softmoe::parallel {

namespace {

cudaStream_t native(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.handle());
}

/// @param max_ctas 0: NCCL decides.
ncclConfig_t config_of(int max_ctas) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  // Whoever waits for peers polls, so that every wait has a deadline.
  config.blocking = 0;
  if (max_ctas > 0) config.maxCTAs = max_ctas;
  return config;
}

template <class Byte>
std::size_t count_of(View<Byte> data) {
  return static_cast<std::size_t>(data.size());
}

/// Starts every message to and from another rank at once. Empty ones are skipped by both sides,
/// since both derive the sizes from the same numbers.
ncclResult_t start_messages(std::span<const SendMessage> sends,
                            std::span<const ReceiveMessage> receives, Rank me,
                            const std::pair<ncclComm_t, cudaStream_t>& where) {
  const auto [comm, stream] = where;
  ncclResult_t code = ncclGroupStart();
  if (code != ncclSuccess) return code;
  for (const SendMessage& send : sends) {
    if (send.to == me || send.data.empty() || !is_taken(code)) continue;
    code = ncclSend(send.data.data(), count_of(send.data), ncclUint8, send.to.value, comm, stream);
  }
  for (const ReceiveMessage& receive : receives) {
    if (receive.from == me || receive.data.empty() || !is_taken(code)) continue;
    code = ncclRecv(receive.data.data(), count_of(receive.data), ncclUint8, receive.from.value,
                    comm, stream);
  }
  const ncclResult_t end = ncclGroupEnd();
  return is_taken(code) ? end : code;
}

}  // namespace

NcclCommunicator::NcclCommunicator(RankGroup group, std::shared_ptr<NcclRank> rank)
    : exceptions_at_start_(std::uncaught_exceptions()),
      group_(std::make_shared<const RankGroup>(std::move(group))),
      rank_(std::move(rank)),
      choices_(rank_->device(),
               Bytes((1 + group_->size()) * static_cast<std::int64_t>(sizeof(SplitChoice)))) {
  rank_->adopt(handle_);
}

NcclCommunicator::~NcclCommunicator() {
  // What an exception leaves undone would keep the peers waiting.
  if (std::uncaught_exceptions() > exceptions_at_start_) abort();
  rank_->close(handle_);
}

void NcclCommunicator::join(const ncclUniqueId& id) {
  ncclConfig_t config = config_of(rank_->options().world_max_ctas);
  rank_->complete({"make_nccl_world", group_}, handle_, [&](ncclComm_t) {
    return ncclCommInitRankConfig(&handle_.comm, size(), id, rank().value, &config);
  });
}

void NcclCommunicator::all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) {
  check_all_gather(mine, all, size());
  all_gather_as("all_gather", mine, all, stream);
}

void NcclCommunicator::broadcast(View<std::byte> data, Rank root, Stream& stream) {
  check_peer("broadcast", root, size());
  if (data.empty()) return;
  rank_->enqueue({"broadcast", group_}, handle_, stream, [&](ncclComm_t comm) {
    return ncclBroadcast(data.data(), data.data(), count_of(data), ncclUint8, root.value, comm,
                         native(stream));
  });
}

void NcclCommunicator::exchange(std::span<const SendMessage> sends,
                                std::span<const ReceiveMessage> receives, Stream& stream) {
  check_exchange(sends, receives, rank(), size());
  copy_own_messages(sends, receives, rank(), stream);
  find_peers(sends, receives);
  if (peers_.empty()) return;
  rank_->enqueue({"exchange", group_, peers_}, handle_, stream, [&](ncclComm_t comm) {
    return start_messages(sends, receives, rank(), {comm, native(stream)});
  });
}

void NcclCommunicator::barrier() {
  static_cast<void>(gather_choices("barrier", {}));
}

std::unique_ptr<Communicator> NcclCommunicator::split(int color, int key) {
  const std::vector<SplitChoice> choices = gather_choices("split", {.color = color, .key = key});
  auto part = std::make_unique<NcclCommunicator>(split_group(*group_, choices), rank_);
  // Everybody has come, so this call finds its peers at work. NCCL's colors are not negative: the
  // world rank of the first member is one that all members agree on.
  const int first = part->group_->in_world(Rank(0)).value;
  ncclConfig_t config = config_of(rank_->options().group_max_ctas);
  rank_->complete({"split", group_}, handle_, [&](ncclComm_t comm) {
    return ncclCommSplit(comm, first, part->rank().value, &part->handle_.comm, &config);
  });
  return part;
}

void NcclCommunicator::abort() noexcept {
  rank_->fail(fmt::format("rank {} gave up", group_->in_world(rank()).value));
}

void NcclCommunicator::all_gather_as(std::string_view operation, View<const std::byte> mine,
                                     View<std::byte> all, Stream& stream) {
  if (mine.empty()) return;
  rank_->enqueue({operation, group_}, handle_, stream, [&](ncclComm_t comm) {
    return ncclAllGather(mine.data(), all.data(), count_of(mine), ncclUint8, comm, native(stream));
  });
}

void NcclCommunicator::find_peers(std::span<const SendMessage> sends,
                                  std::span<const ReceiveMessage> receives) {
  peers_.clear();
  for (const SendMessage& send : sends) {
    if (send.to != rank() && !send.data.empty()) peers_.push_back(send.to);
  }
  for (const ReceiveMessage& receive : receives) {
    if (receive.from != rank() && !receive.data.empty()) peers_.push_back(receive.from);
  }
  std::sort(peers_.begin(), peers_.end());
  peers_.erase(std::unique(peers_.begin(), peers_.end()), peers_.end());
}

std::vector<SplitChoice> NcclCommunicator::gather_choices(std::string_view operation,
                                                          SplitChoice mine) {
  // An operation that failed may have left its copies on the stream: they still use the memory
  // here.
  rank_->check_alive({operation, group_});
  Stream& stream = rank_->control();
  const auto device = choices_.as<SplitChoice>();
  SplitChoice* host = host_choices_.room_for(device.size(), rank_->device());
  host[0] = mine;
  stream.copy(device.data(), host, Bytes(sizeof(SplitChoice)), CopyDirection::to_device);
  const View<SplitChoice> everybody = device.part(1, device.size());
  all_gather_as(operation, bytes_of(View<const SplitChoice>(device.part(0, 1))),
                bytes_of(everybody), stream);
  stream.copy(host + 1, everybody.data(), Bytes(everybody.bytes()), CopyDirection::to_host);
  stream.synchronize();
  return {host + 1, host + device.size()};
}

}  // namespace softmoe::parallel
