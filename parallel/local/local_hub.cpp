#include "parallel/local/local_hub.h"

#include <fmt/format.h>

#include <cstring>

namespace softmoe::parallel {

Letter Mailbox::pop() {
  const Letter letter = letters_[next_++];
  if (empty()) clear();
  return letter;
}

void Mailbox::clear() {
  letters_.clear();
  next_ = 0;
}

void LocalHub::post(LocalGroup& boxes, std::span<const SendMessage> sends, const Waiting& waiting) {
  const RankGroup& group = waiting.group;
  const Lock lock(mutex_);
  throw_if_failed(waiting);
  for (const SendMessage& send : sends) {
    if (send.to == group.rank || send.data.empty()) continue;
    boxes.box(group.rank, send.to).push({send.data, waiting.operation});
    ++per_rank(group.in_world(group.rank)).untaken;
    per_rank(group.in_world(send.to)).wake.notify_one();
  }
}

void LocalHub::take(LocalGroup& boxes, const ReceiveMessage& message, const Waiting& waiting,
                    const Deadline& deadline) {
  const RankGroup& group = waiting.group;
  Mailbox& box = boxes.box(message.from, group.rank);
  Lock lock(mutex_);
  wait(
      lock, waiting, deadline, [&] { return !box.empty(); },
      [&] { return std::vector<Rank>{message.from}; });
  const Letter letter = box.pop();
  std::string misfit;
  if (letter.operation != waiting.operation) {
    misfit = fmt::format("{}: rank {} met rank {} in {}: ranks must make the same calls",
                         waiting.operation, group.in_world(group.rank).value,
                         group.in_world(message.from).value, letter.operation);
  } else if (letter.data.size() != message.data.size()) {
    misfit = size_text(waiting, message.from, message.data.size(), letter.data.size());
  } else {
    // The sender does not return before `untaken` says so: its memory needs no lock.
    lock.unlock();
    std::memcpy(message.data.data(), letter.data.data(),
                static_cast<std::size_t>(letter.data.size()));
    lock.lock();
  }
  PerRank& sender = per_rank(group.in_world(message.from));
  if (--sender.untaken == 0) sender.wake.notify_one();
  if (!misfit.empty()) {
    fail_locked(group.in_world(group.rank), misfit);
    throw CommError(misfit);
  }
}

void LocalHub::wait_until_taken(LocalGroup& boxes, const Waiting& waiting,
                                const Deadline& deadline) {
  const RankGroup& group = waiting.group;
  Lock lock(mutex_);
  wait(
      lock, waiting, deadline, [&] { return per_rank(group.in_world(group.rank)).untaken == 0; },
      [&] {
        std::vector<Rank> late;
        for (Rank to{0}; to.value < group.size(); ++to.value) {
          if (!boxes.box(group.rank, to).empty()) late.push_back(to);
        }
        return late;
      });
  // A letter that did not fit was taken too, by a peer that then failed.
  throw_if_failed(waiting);
}

void LocalHub::withdraw(LocalGroup& boxes, const RankGroup& group) noexcept {
  Lock lock(mutex_);
  PerRank& me = per_rank(group.in_world(group.rank));
  if (me.untaken == 0) return;
  for (Rank to{0}; to.value < group.size(); ++to.value) {
    Mailbox& box = boxes.box(group.rank, to);
    me.untaken -= box.size();
    box.clear();
  }
  // No deadline: what is left is a copy in progress, which waits for nobody.
  me.wake.wait(lock, [&] { return me.untaken == 0; });
}

std::shared_ptr<LocalGroup> LocalHub::meet(
    std::tuple<const LocalGroup*, int, int> parent_split_color, int size) {
  const Lock lock(mutex_);
  Meeting& meeting = meetings_[parent_split_color];
  if (meeting.boxes == nullptr) meeting = {std::make_shared<LocalGroup>(size), size};
  const std::shared_ptr<LocalGroup> boxes = meeting.boxes;
  if (--meeting.expected == 0) meetings_.erase(parent_split_color);
  return boxes;
}

void LocalHub::fail(Rank who, std::string_view reason) noexcept {
  const Lock lock(mutex_);
  fail_locked(who, reason);
}

void LocalHub::fail_locked(Rank who, std::string_view reason) {
  if (!failure_) failure_ = {who, std::string(reason)};
  for (PerRank& rank : ranks_) rank.wake.notify_one();
}

template <class Ready, class Late>
void LocalHub::wait(Lock& lock, const Waiting& waiting, const Deadline& deadline, Ready ready,
                    Late late) {
  const Rank me = waiting.group.in_world(waiting.group.rank);
  while (!ready()) {
    throw_if_failed(waiting);
    if (!deadline.passed()) {
      per_rank(me).wake.wait_until(lock, deadline.end());
      continue;
    }
    const std::vector<Rank> late_ranks = late();
    if (!late_ranks.empty()) {
      const std::string text = late_text(waiting, late_ranks);
      fail_locked(me, text);
      throw CommError(text);
    }
    // Everybody has come; a copy is in progress, which waits for nobody.
    per_rank(me).wake.wait(lock);
  }
}

void LocalHub::throw_if_failed(const Waiting& waiting) const {
  if (failure_) throw CommError(gave_up_text(waiting, failure_->who, failure_->reason));
}

}  // namespace softmoe::parallel
