#include "coordinator/outbox.h"

#include <algorithm>
#include <utility>

namespace softmoe::coordinator {
namespace {

std::int64_t newest_revision(const std::vector<budget::SetPointChange>& changes) {
  std::int64_t newest = 0;
  for (const auto& change : changes) newest = std::max(newest, change.set_points.revision);
  return newest;
}

bool are_equal(const std::vector<budget::SetPointChange>& a,
               const std::vector<budget::SetPointChange>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.effective_from == y.effective_from && x.set_points.revision == y.set_points.revision;
  });
}

/// About what a record becomes on the wire.
std::size_t bytes_of(const AuditedRecord& record) {
  return 200 + 34 * record.record.executed_L.size();
}

}  // namespace

Outbox::Outbox(std::vector<budget::SetPointChange> changes, Step first_step)
    : changes_(std::move(changes)),
      next_step_(first_step),
      delivered_revision_(newest_revision(changes_)),
      held_revision_(delivered_revision_) {}

void Outbox::submit(const budget::StepReport& report) {
  AuditedRecord record{.record = report.record, .before = report.before};
  const auto& held = report.timeline.changes();
  const std::int64_t revision = newest_revision(held);
  const std::lock_guard lock(mutex_);
  if (!are_equal(held, changes_)) changes_ = held;
  held_revision_ = std::max(held_revision_, revision);
  delivered_revision_ = std::max(delivered_revision_, revision);
  const Step step = record.record.step();
  // A process that went back to a checkpoint makes records anew.
  if (!records_.empty() && step <= records_.back().record.step()) forget_from(step);
  sent_through_ = std::min(sent_through_, Step{step.value - 1});
  maybe_through_ = std::min(maybe_through_, Step{step.value - 1});
  next_step_ = Step{step.value + 1};
  records_.push_back(std::move(record));
  if (records_.size() <= kMaxRecords) return;
  if (records_.front().record.step() > sent_through_) ++num_dropped_;
  records_.pop_front();
}

void Outbox::forget_from(Step step) {
  std::erase_if(records_,
                [&](const AuditedRecord& record) { return record.record.step() >= step; });
}

std::deque<AuditedRecord>::const_iterator Outbox::first_after(Step step) const {
  return std::partition_point(records_.begin(), records_.end(), [&](const AuditedRecord& record) {
    return record.record.step() <= step;
  });
}

budget::LinkNews Outbox::poll() {
  const std::lock_guard lock(mutex_);
  held_revision_ = std::max(held_revision_, delivered_revision_);
  held_request_ = delivered_request_;
  changes_.insert(changes_.end(), news_.changes.begin(), news_.changes.end());
  return std::exchange(news_, {});
}

GovernorReport Outbox::governor() const {
  const std::lock_guard lock(mutex_);
  const auto next = first_after(std::max(sent_through_, maybe_through_));
  return {.next_step = next == records_.end() ? next_step_ : next->record.step(),
          .changes = changes_};
}

void Outbox::begin_after(Step last) {
  const std::lock_guard lock(mutex_);
  sent_through_ = maybe_through_ = last;
}

std::vector<AuditedRecord> Outbox::next_batch(std::size_t max_records) const {
  const std::lock_guard lock(mutex_);
  std::vector<AuditedRecord> batch;
  std::size_t bytes = 0;
  for (auto at = first_after(sent_through_); at != records_.end() && batch.size() < max_records;
       ++at) {
    bytes += bytes_of(*at);
    if (!batch.empty() &&
        (bytes > kMaxBatchBytes || at->record.step().value != batch.back().record.step().value + 1))
      break;
    batch.push_back(*at);
  }
  return batch;
}

void Outbox::sent(Step last, Step durable) {
  const std::lock_guard lock(mutex_);
  sent_through_ = std::max(sent_through_, last);
  while (!records_.empty() && records_.front().record.step() <= std::min(durable, sent_through_))
    records_.pop_front();
}

void Outbox::may_have_arrived(Step last) {
  const std::lock_guard lock(mutex_);
  maybe_through_ = std::max(maybe_through_, last);
}

void Outbox::drop(Step step) {
  const std::lock_guard lock(mutex_);
  num_dropped_ += static_cast<std::int64_t>(std::erase_if(
      records_, [&](const AuditedRecord& record) { return record.record.step() == step; }));
}

bool Outbox::all_sent() const {
  const std::lock_guard lock(mutex_);
  return first_after(sent_through_) == records_.end();
}

int Outbox::deliver(const RecordReply& reply) {
  int num_unusable = 0;
  const std::lock_guard lock(mutex_);
  for (const budget::SetPointChange& change : reply.changes) {
    if (change.set_points.revision <= delivered_revision_) continue;
    // The timeline would throw in the middle of the step loop.
    if (budget::find_fault(change.set_points)) {
      ++num_unusable;
      continue;
    }
    delivered_revision_ = change.set_points.revision;
    news_.changes.push_back(change);
  }
  for (const NumberedRequest& request : reply.requests) {
    if (request.number <= delivered_request_) continue;
    delivered_request_ = request.number;
    news_.requests |= static_cast<std::uint32_t>(request.request);
  }
  return num_unusable;
}

std::int64_t Outbox::held_revision() const {
  const std::lock_guard lock(mutex_);
  return held_revision_;
}

std::int64_t Outbox::held_request() const {
  const std::lock_guard lock(mutex_);
  return held_request_;
}

std::int64_t Outbox::num_dropped() const {
  const std::lock_guard lock(mutex_);
  return num_dropped_;
}

}  // namespace softmoe::coordinator
