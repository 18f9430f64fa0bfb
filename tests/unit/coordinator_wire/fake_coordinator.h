#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/handlers.h"
#include "coordinator/messages.h"
#include "tests/support/patience.h"

namespace softmoe::coordinator {

/// What a server serves in these tests: it keeps what it was told, and answers as it was told to.
class FakeCoordinator {
 public:
  explicit FakeCoordinator(std::int64_t term = 1) : term_(term) {}

  [[nodiscard]] Handlers handlers();

  /// Waits until `condition`, of what this object holds, is true; false if it never is.
  [[nodiscard]] bool wait_for(const std::function<bool(const FakeCoordinator&)>& condition,
                              std::chrono::milliseconds limit = std::chrono::seconds(5));
  /// Changes what this object holds.
  void change(const std::function<void(FakeCoordinator&)>& how);
  [[nodiscard]] std::vector<std::int64_t> steps();

  // Answers.
  std::int64_t term_;
  bool checks_term_ = true;
  std::int64_t last_record_ = -1;  ///< what an admission says; -1: by the records that came
  bool is_durable_ = true;         ///< all that came
  std::string verdict_;
  std::vector<budget::SetPointChange> changes_;
  std::vector<NumberedRequest> requests_;
  double heartbeat_seconds_ = 0.05;
  std::function<void(const Heartbeat&)> on_heartbeat_;
  std::function<void(const RecordReport&)> on_report_;

  // What came.
  std::vector<Registration> registrations_;
  std::vector<Heartbeat> heartbeats_;
  std::map<std::int64_t, AuditedRecord> records_;
  int num_reports_ = 0;
  std::int64_t held_revision_ = 0;
  std::int64_t held_request_ = 0;
  std::vector<Farewell> farewells_;
  std::map<Reason, int> refusals_;
  int num_looks_ = 0;
  int num_status_ = 0;
  std::vector<ChangeOrder> orders_;

 private:
  template <class Reply, class Message>
  auto locked(Reply (FakeCoordinator::*function)(const Message&));
  void check_term(std::int64_t term) const;
  Admission on_register(const Registration& registration);
  HeartbeatReply on_heartbeat(const Heartbeat& heartbeat);
  RecordReply on_report(const RecordReport& report);

  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace softmoe::coordinator
