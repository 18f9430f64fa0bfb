#include "parallel/nccl/pending_operations.h"

#include <algorithm>
#include <utility>

namespace softmoe::parallel {

PendingOperations::~PendingOperations() {
  for (const Operation& operation : pending_) accelerator_->destroy_event(operation.event);
  for (const Operation& operation : spare_) accelerator_->destroy_event(operation.event);
}

void PendingOperations::order(const Stream& stream) {
  if (!pending_.empty()) accelerator_->wait_for(stream.handle(), newest().event);
}

void PendingOperations::push(std::string_view name, const std::shared_ptr<const RankGroup>& group,
                             std::span<const Rank> peers, const Stream& stream) {
  if (spare_.empty()) {
    spare_.emplace_back();
    spare_.back().event = accelerator_->create_event();
  }
  accelerator_->record(spare_.back().event, stream.handle());
  pending_.push_back(std::move(spare_.back()));
  spare_.pop_back();

  Operation& operation = pending_.back();
  operation.name = name;
  operation.group = group;
  operation.since = Clock::now();
  operation.peers.assign(peers.begin(), peers.end());
  if (!peers.empty()) return;
  for (Rank peer{0}; peer.value < group->size(); ++peer.value) {
    if (peer != group->rank) operation.peers.push_back(peer);
  }
}

void PendingOperations::forget_passed() {
  while (!pending_.empty() && accelerator_->has_passed(oldest().event)) {
    spare_.push_back(std::move(pending_.front()));
    pending_.pop_front();
    if (!pending_.empty()) pending_.front().since = Clock::now();
  }
}

}  // namespace softmoe::parallel
