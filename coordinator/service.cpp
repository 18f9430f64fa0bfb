#include "coordinator/service.h"

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <exception>
#include <utility>
#include <vector>

#include "coordinator/call.h"
#include "coordinator/wire.h"

namespace softmoe::coordinator {
namespace {

std::string_view view_of(grpc::string_ref text) {
  return {text.data(), text.size()};
}

std::optional<std::string_view> metadata_of(const grpc::GenericCallbackServerContext& context,
                                            std::string_view key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
  return found == metadata.end() ? std::nullopt : std::optional(view_of(found->second));
}

}  // namespace

Service::Service(Parts parts) : parts_(std::move(parts)), gate_(parts_.gate) {}

grpc::ServerGenericBidiReactor* Service::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  return new Call(*this, *context);
}

Caller Service::admit(const MethodRules& rules, const grpc::GenericCallbackServerContext& context) {
  const auto authenticated = context.auth_context();
  std::vector<grpc::string_ref> names;
  if (authenticated != nullptr && authenticated->IsPeerAuthenticated())
    names = authenticated->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME);
  const std::string peer = context.peer();
  Shown shown{.authorization = metadata_of(context, kAuthorization),
              .rank = metadata_of(context, kRankKey),
              .certified_names = {},
              .peer = peer};
  for (const grpc::string_ref& name : names) shown.certified_names.push_back(view_of(name));
  return gate_.admit(rules, shown, Clock::now());
}

void Service::check_size(const MethodRules& rules, std::size_t bytes) const {
  const std::int64_t limit = rules.max_bytes.value_or(parts_.max_message_bytes);
  if (std::cmp_less_equal(bytes, limit)) return;
  throw Refused(Reason::too_large, fmt::format("a message of {} bytes, the limit of {} is {}",
                                               bytes, name_of(rules), limit));
}

std::string Service::answer(const MethodRules& rules, const Caller& caller,
                            std::string_view bytes) {
  const Handlers& handlers = parts_.handlers;
  // Of a message of ranks: it is decoded, and of the rank that calls.
  const auto of_rank = [&]<class Message>(Message message) {
    Gate::check_speaker(caller, message.process.rank);
    return message;
  };
  switch (rules.method) {
    case Method::register_rank:
      return encode(handlers.register_rank(of_rank(decode<Registration>(bytes))));
    case Method::heartbeat:
      return encode(handlers.heartbeat(of_rank(decode<Heartbeat>(bytes))));
    case Method::report:
      return encode(handlers.report(of_rank(decode<RecordReport>(bytes))));
    case Method::farewell:
      handlers.farewell(of_rank(decode<Farewell>(bytes)));
      return encode(Empty{});
    case Method::status:
      static_cast<void>(decode<StatusRequest>(bytes));
      return encode(handlers.status());
    case Method::change:
      return encode(handlers.change(decode<ChangeOrder>(bytes)));
    case Method::request:
      return encode(handlers.request(decode<RequestOrder>(bytes).request));
  }
  throw InternalError("a method without a handler");
}

void Service::note(const Refused& refused, const std::string& peer) {
  try {
    parts_.handlers.note_refusal(refused.reason(), fmt::format("{}: {}", peer, refused.what()));
  } catch (const std::exception& error) {
    log(fmt::format("a refusal could not be noted: {}", error.what()));
  }
}

void Service::log(const std::string& line) {
  if (parts_.log) parts_.log(line);
}

void Service::open(Call& call) {
  const std::lock_guard lock(mutex_);
  if (open_calls_.size() >= kMaxOpenCalls)
    throw Refused(Reason::too_often, fmt::format("{} calls are open already", kMaxOpenCalls));
  open_calls_.insert(&call);
}

void Service::close(Call& call) {
  const std::lock_guard lock(mutex_);
  open_calls_.erase(&call);
}

void Service::look(Clock::time_point now) {
  std::vector<Call*> late;
  {
    const std::lock_guard lock(mutex_);
    for (Call* const call : open_calls_) {
      if (now - call->begun() > kPatience && call->claim()) late.push_back(call);
    }
  }
  // Outside the lock: to finish a call may be to close it.
  for (Call* const call : late) call->finish_late();
  try {
    parts_.handlers.look();
  } catch (const std::exception& error) {
    log(fmt::format("the look for hangs failed: {}", error.what()));
  }
}

}  // namespace softmoe::coordinator
