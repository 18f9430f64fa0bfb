#pragma once

#include <memory>

#include "coordinator/endpoint.h"
#include "coordinator/messages.h"

namespace softmoe::coordinator {

/// The calls of people, one at a time, each with the endpoint's deadline.
///
/// Every call throws Refused with the coordinator's words if it says no, and CommError, naming the
/// address and the cure, if it cannot be reached or does not answer.
class ControlClient {
 public:
  explicit ControlClient(const Endpoint& endpoint);
  ~ControlClient();

  [[nodiscard]] Status status();
  [[nodiscard]] ChangeReply change(const ChangeOrder& order);
  [[nodiscard]] NumberedRequest request(budget::Request request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::coordinator
