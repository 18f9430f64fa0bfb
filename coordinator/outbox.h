#pragma once

// What rank 0's step loop and its line exchange: records one way, changes and requests the other.

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "budget/budget_link.h"
#include "coordinator/messages.h"

namespace softmoe::coordinator {

/// The records that may have to be sent, again or for the first time, and the news that wait to be
/// fetched. Two threads: the step loop's and the line's; no call waits for longer than a copy
/// takes.
class Outbox {
 public:
  static constexpr std::size_t kMaxRecords = 1024;
  /// Of one report: records, and about how many bytes they become.
  static constexpr std::size_t kMaxBatchRecords = 64;
  static constexpr std::size_t kMaxBatchBytes = 256 << 10;

  /// @param changes  the set-points that the run begins with
  /// @param first_step  of this process
  Outbox(std::vector<budget::SetPointChange> changes, Step first_step);

  // Of the step loop.

  void submit(const budget::StepReport& report);
  [[nodiscard]] budget::LinkNews poll();

  // Of the line.

  /// What rank 0 holds by now: every change that it has fetched, and the first step whose record
  /// has certainly not arrived.
  [[nodiscard]] GovernorReport governor() const;
  /// The coordinator wants the records after `last`, as far as they are there.
  void begin_after(Step last);
  /// The next records to send, in order, without gaps; empty when all are sent.
  /// @param max_records  at most so many
  [[nodiscard]] std::vector<AuditedRecord> next_batch(std::size_t max_records) const;
  /// The records up to `last` arrived, and those up to `durable` need not be kept.
  void sent(Step last, Step durable);
  /// A report that ended with this record was sent, and whether it arrived is not known.
  void may_have_arrived(Step last);
  /// Gives up a record: the coordinator will not have it.
  void drop(Step step);
  [[nodiscard]] bool all_sent() const;

  /// News from the coordinator; what was seen before, or could not be used, is passed over.
  /// @return how many changes could not be used
  int deliver(const RecordReply& reply);
  /// What poll() has handed out, or was there from the beginning.
  [[nodiscard]] std::int64_t held_revision() const;
  [[nodiscard]] std::int64_t held_request() const;
  /// Records that were never sent.
  [[nodiscard]] std::int64_t num_dropped() const;

 private:
  /// The first record after a step. The mutex is held.
  [[nodiscard]] std::deque<AuditedRecord>::const_iterator first_after(Step step) const;
  void forget_from(Step step);

  mutable std::mutex mutex_;
  /// Of the timeline at the last submit, and those that were fetched since.
  std::vector<budget::SetPointChange> changes_;
  Step next_step_;
  std::deque<AuditedRecord> records_;  ///< ascending
  Step sent_through_{-1};              ///< records up to this one have arrived
  Step maybe_through_{-1};             ///< and up to this one may have
  std::int64_t num_dropped_ = 0;
  budget::LinkNews news_;
  std::int64_t delivered_revision_ = 0;  ///< newest that went into news_
  std::int64_t delivered_request_ = 0;
  std::int64_t held_revision_ = 0;
  std::int64_t held_request_ = 0;
};

}  // namespace softmoe::coordinator
