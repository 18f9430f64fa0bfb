#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "budget/budget_link.h"
#include "coordinator/endpoint.h"
#include "coordinator/messages.h"
#include "runtime/base/progress.h"

namespace softmoe::coordinator {

/// What the line has seen; for the run's own telemetry.
struct LineStatus {
  bool is_registered = false;
  std::int64_t term = 0;          ///< the highest obeyed
  std::int64_t failed_calls = 0;  ///< unreachable, or past the deadline
  std::int64_t refused_calls = 0;
  std::int64_t stale_terms = 0;  ///< replies under a lower term, which were not obeyed
  std::int64_t registrations = 0;
  std::int64_t dropped_records = 0;  ///< not sent, because the coordinator was away for too long
  std::string last_error;            ///< of the last call that failed; empty after one that did not
};

/// One rank's line to the coordinator: a thread that registers, sends heartbeats with the rank's
/// place and, on rank 0, carries records there and changes and requests back.
///
/// No call of a step waits for it, and nothing it meets is thrown: without a coordinator the step
/// goes on bit for bit. It tries again for as long as it lives, at first after 100 ms, later every
/// 5 s. A coordinator with a higher term is a restarted one: the line registers again and sends the
/// records that are not durable there; it keeps the last 1,024. Replies of a lower term than the
/// highest seen are dropped.
///
/// The constructor returns at once. submit() and poll() are for rank 0's step loop alone.
class RankLine final : public budget::BudgetLink {
 public:
  using Log = std::function<void(const std::string& line)>;

  struct Parts {
    Endpoint endpoint;
    RunIdentity run;
    Rank rank;
    const Progress& progress;  ///< outlives the line
    /// Of rank 0: the set-points that the run begins with, as SetPointTimeline::changes().
    std::vector<budget::SetPointChange> changes;
    Step first_step;  ///< of this process
    Log log;          ///< a line for people: lost, found again, refused, a verdict; any thread
    std::string metrics_address = {};  ///< host:port where the rank serves its metrics; or empty
  };

  explicit RankLine(Parts parts);
  /// Ends the thread; a call in progress is cancelled.
  ~RankLine() override;

  void submit(const budget::StepReport& report) override;
  [[nodiscard]] budget::LinkNews poll() override;

  /// Waits, at most `patience`, until what was submitted has been sent, and says goodbye.
  void farewell(Departure departure, const std::string& reason, std::chrono::milliseconds patience);

  [[nodiscard]] LineStatus status() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::coordinator
