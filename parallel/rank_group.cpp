#include "parallel/rank_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace softmoe::parallel {

namespace {

/// The next non-empty message to `me` at or after `index`; the size of the list if there is none.
std::size_t next_own(std::span<const SendMessage> sends, std::size_t index, Rank me) {
  while (index < sends.size() && (sends[index].to != me || sends[index].data.empty())) ++index;
  return index;
}

std::size_t next_own(std::span<const ReceiveMessage> receives, std::size_t index, Rank me) {
  while (index < receives.size() && (receives[index].from != me || receives[index].data.empty()))
    ++index;
  return index;
}

/// Calls `visit(source, target)` for every pair of messages of `me` to itself.
template <class Visit>
void for_each_own_pair(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                       Rank me, Visit visit) {
  std::size_t send = next_own(sends, 0, me);
  std::size_t receive = next_own(receives, 0, me);
  while (send < sends.size() && receive < receives.size()) {
    visit(sends[send].data, receives[receive].data);
    send = next_own(sends, send + 1, me);
    receive = next_own(receives, receive + 1, me);
  }
  if (send < sends.size() || receive < receives.size()) {
    throw InvalidArgument(fmt::format(
        "exchange: rank {} lists a message {} itself that has no partner in the other list",
        me.value, send < sends.size() ? "to" : "from"));
  }
}

/// "rank 2" or "ranks 2, 3", in the world.
std::string name_ranks(const RankGroup& group, std::span<const Rank> ranks) {
  std::string text = ranks.size() == 1 ? "rank" : "ranks";
  for (std::size_t i = 0; i < ranks.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? " " : ", ", group.in_world(ranks[i]).value);
  return text;
}

}  // namespace

RankGroup split_group(const RankGroup& group, std::span<const SplitChoice> choices) {
  const auto choice_of = [&](Rank rank) { return choices[static_cast<std::size_t>(rank.value)]; };
  std::vector<Rank> chosen;
  for (Rank rank{0}; rank.value < group.size(); ++rank.value) {
    if (choice_of(rank).color == choice_of(group.rank).color) chosen.push_back(rank);
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&](Rank a, Rank b) { return choice_of(a).key < choice_of(b).key; });

  RankGroup result;
  for (const Rank rank : chosen) {
    if (rank == group.rank) result.rank = Rank(result.size());
    result.members.push_back(group.in_world(rank));
  }
  return result;
}

void check_all_gather(View<const std::byte> mine, View<std::byte> all, int size) {
  if (all.size() != size * mine.size()) {
    throw InvalidArgument(
        fmt::format("all_gather: {} ranks with {} bytes each do not fill {} bytes", size,
                    mine.size(), all.size()));
  }
}

void check_peer(std::string_view operation, Rank peer, int size) {
  if (peer.value < 0 || peer.value >= size) {
    throw InvalidArgument(
        fmt::format("{}: rank {} is not in a group of {} ranks", operation, peer.value, size));
  }
}

void check_exchange(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                    Rank me, int size) {
  for (const SendMessage& send : sends) check_peer("exchange", send.to, size);
  for (const ReceiveMessage& receive : receives) check_peer("exchange", receive.from, size);
  for_each_own_pair(sends, receives, me, [&](View<const std::byte> source, View<std::byte> target) {
    if (source.size() != target.size()) {
      throw InvalidArgument(
          fmt::format("exchange: rank {} sends itself {} bytes but receives {} from itself",
                      me.value, source.size(), target.size()));
    }
  });
}

void copy_own_messages(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                       Rank me) {
  for_each_own_pair(sends, receives, me, [](View<const std::byte> source, View<std::byte> target) {
    std::memcpy(target.data(), source.data(), static_cast<std::size_t>(source.size()));
  });
}

void copy_own_messages(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                       Rank me, Stream& stream) {
  for_each_own_pair(sends, receives, me, [&](View<const std::byte> source, View<std::byte> target) {
    stream.copy(target.data(), source.data(), Bytes(target.size()), CopyDirection::within_device);
  });
}

std::string late_text(const Waiting& waiting, std::span<const Rank> late) {
  const RankGroup& group = waiting.group;
  return fmt::format(
      "{}: rank {} has waited for {} longer than the limit of {} ms; if a rank is only slow, raise "
      "parallel.timeout_seconds",
      waiting.operation, group.in_world(group.rank).value, name_ranks(group, late),
      waiting.limit.count());
}

std::string gave_up_text(const Waiting& waiting, Rank who, std::string_view reason) {
  const RankGroup& group = waiting.group;
  return fmt::format("{}: rank {} stops because rank {} gave up{}{}", waiting.operation,
                     group.in_world(group.rank).value, who.value, reason.empty() ? "" : ": ",
                     reason);
}

std::string size_text(const Waiting& waiting, Rank from, std::int64_t expected,
                      std::int64_t received) {
  const RankGroup& group = waiting.group;
  return fmt::format("{}: rank {} expects {} bytes from rank {}, which sent {}", waiting.operation,
                     group.in_world(group.rank).value, expected, group.in_world(from).value,
                     received);
}

}  // namespace softmoe::parallel
