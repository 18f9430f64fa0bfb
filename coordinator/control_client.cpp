#include "coordinator/control_client.h"

#include "coordinator/client_calls.h"

namespace softmoe::coordinator {

struct ControlClient::State {
  ClientCalls calls;
  std::chrono::milliseconds deadline;
};

ControlClient::ControlClient(const Endpoint& endpoint)
    : state_(
          new State{.calls = ClientCalls(endpoint, std::nullopt), .deadline = endpoint.deadline}) {}

ControlClient::~ControlClient() = default;

Status ControlClient::status() {
  return state_->calls.call<Status>(Method::status, StatusRequest{}, state_->deadline);
}

ChangeReply ControlClient::change(const ChangeOrder& order) {
  return state_->calls.call<ChangeReply>(Method::change, order, state_->deadline);
}

NumberedRequest ControlClient::request(budget::Request request) {
  return state_->calls.call<NumberedRequest>(Method::request, RequestOrder{.request = request},
                                             state_->deadline);
}

}  // namespace softmoe::coordinator
