#include "coordinator/call.h"

#include <fmt/format.h>

#include <exception>

#include "coordinator/byte_buffer.h"
#include "coordinator/status_code.h"

namespace softmoe::coordinator {

Call::Call(Service& service, grpc::GenericCallbackServerContext& context)
    : service_(service), context_(context), rules_(find_method(context.method())) {
  if (rules_ == nullptr) {
    is_claimed_ = true;
    finish({grpc::StatusCode::UNIMPLEMENTED, "no such call in this version of the protocol"});
    return;
  }
  try {
    begin();
  } catch (const Refused& refused) {
    is_claimed_ = true;
    refuse(refused);
  }
}

void Call::begin() {
  caller_ = service_.admit(*rules_, context_);
  service_.open(*this);
  is_open_ = true;
  StartRead(&request_);
}

void Call::OnReadDone(bool ok) {
  if (!claim()) return;
  if (!ok) {
    // The caller hung up, or the library found the message larger than twice the limit.
    refuse(Refused(Reason::too_large, "no message came, or one beyond every limit"));
    return;
  }
  try {
    answer();
  } catch (const Refused& refused) {
    refuse(refused);
  } catch (const std::exception& error) {
    service_.log(fmt::format("a call of {} failed: {}", caller_.name, error.what()));
    finish({grpc::StatusCode::INTERNAL, "the coordinator failed; its log says why"});
  }
}

void Call::answer() {
  service_.check_size(*rules_, request_.Length());
  const std::string bytes = text_of(request_);
  request_.Clear();
  reply_ = buffer_of(service_.answer(*rules_, caller_, bytes));
  count(grpc::StatusCode::OK);
  StartWriteAndFinish(&reply_, {}, grpc::Status::OK);
}

void Call::refuse(const Refused& refused) {
  service_.note(refused, context_.peer());
  context_.AddTrailingMetadata(std::string(kReasonKey),
                               std::to_string(static_cast<int>(refused.reason())));
  finish(status_of(refused));
}

void Call::finish_late() {
  finish({grpc::StatusCode::DEADLINE_EXCEEDED, "the message of the call did not come"});
}

// Counted before it is finished: from then on the library may be done with the call.
void Call::finish(const grpc::Status& status) {
  count(status.error_code());
  Finish(status);
}

void Call::count(grpc::StatusCode code) {
  service_.counts().note(rules_, code, Service::Clock::now() - begun_);
}

void Call::OnDone() {
  if (is_open_) service_.close(*this);
  delete this;
}

}  // namespace softmoe::coordinator
