#pragma once

// What the communicators of every backend have in common: who is in a group, what is checked
// before an operation starts, and how a failure is told.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parallel/communicator.h"

namespace softmoe::parallel {

/// A rank among the ranks of a group.
struct RankGroup {
  std::vector<Rank> members;  ///< rank in the world of each rank of the group
  Rank rank{0};               ///< this rank's place in `members`

  [[nodiscard]] int size() const { return static_cast<int>(members.size()); }
  [[nodiscard]] Rank in_world(Rank member) const {
    return members[static_cast<std::size_t>(member.value)];
  }
};

/// What a rank gives to split().
struct SplitChoice {
  int color = 0;
  int key = 0;
};

/// The group of `group.rank` after a split: the ranks of its color, ordered by (key, rank).
/// @param choices [size] by rank of `group`.
[[nodiscard]] RankGroup split_group(const RankGroup& group, std::span<const SplitChoice> choices);

/// @throws InvalidArgument naming the sizes if `all` has not room for `size` times `mine`.
void check_all_gather(View<const std::byte> mine, View<std::byte> all, int size);
/// @throws InvalidArgument naming the rank if `peer` is not in a group of `size`.
void check_peer(std::string_view operation, Rank peer, int size);
/// @throws InvalidArgument if a peer is outside the group, or if the messages of `me` to itself do
/// not pair up in number and sizes.
void check_exchange(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                    Rank me, int size);

/// Copies the messages of `me` to itself, in the order listed. The lists have passed
/// check_exchange().
void copy_own_messages(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                       Rank me);
/// The same within the device of `stream`, as work of that stream.
void copy_own_messages(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                       Rank me, Stream& stream);

/// Everything that a failure message of an operation names. Messages number ranks by the world.
struct Waiting {
  std::string_view operation;
  const RankGroup& group;
  std::chrono::milliseconds limit;
};

/// The text for a deadline that passed. @param late ranks of the group that did not come.
[[nodiscard]] std::string late_text(const Waiting& waiting, std::span<const Rank> late);
/// The text for a peer that failed first. @param who in the world; @param reason its own words.
[[nodiscard]] std::string gave_up_text(const Waiting& waiting, Rank who, std::string_view reason);
/// The text for a message of another size than both sides should have derived.
[[nodiscard]] std::string size_text(const Waiting& waiting, Rank from, std::int64_t expected,
                                    std::int64_t received);

}  // namespace softmoe::parallel
