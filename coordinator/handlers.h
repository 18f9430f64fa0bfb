#pragma once

#include <functional>
#include <string>

#include "coordinator/messages.h"

namespace softmoe::coordinator {

class Coordinator;

/// What a server does with a call: the coordinator's own functions, or those of a test. Any thread;
/// each may throw Refused.
struct Handlers {
  std::function<Admission(const Registration&)> register_rank;
  std::function<HeartbeatReply(const Heartbeat&)> heartbeat;
  std::function<RecordReply(const RecordReport&)> report;
  std::function<void(const Farewell&)> farewell;
  std::function<Status()> status;
  std::function<ChangeReply(const ChangeOrder&)> change;
  std::function<NumberedRequest(budget::Request)> request;
  std::function<void()> look;  ///< a few times a second
  std::function<void(Reason, const std::string& message)> note_refusal;
};

/// The coordinator's functions, each with the time of its call. It outlives them.
[[nodiscard]] Handlers handlers_of(Coordinator& coordinator);

}  // namespace softmoe::coordinator
