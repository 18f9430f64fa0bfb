#include "coordinator/client_calls.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <mutex>
#include <utility>

#include "coordinator/byte_buffer.h"
#include "coordinator/credentials.h"
#include "coordinator/grpc_library.h"
#include "coordinator/server_impl.h"
#include "coordinator/status_code.h"
#include "runtime/base/errors.h"

namespace softmoe::coordinator {
namespace {

constexpr int kMaxReplyBytes = 64 << 20;  // the status of a large world
constexpr int kReconnectMs = 100;
constexpr int kMaxReconnectMs = 1000;

std::string key(std::string_view name) {
  return std::string(name);
}

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReplyBytes);
  // Else channels of equal arguments share a connection, and with it one certificate.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  return arguments;
}

std::shared_ptr<grpc::Channel> open_channel(const Endpoint& endpoint) {
  quiet_grpc();
  const grpc::ChannelArguments arguments = channel_arguments();
  if (endpoint.in_process != nullptr)
    return endpoint.in_process->impl().server->InProcessChannel(arguments);
  std::optional<std::string> published;
  if (!endpoint.folder.empty()) published = published_address(endpoint.folder);
  return grpc::CreateCustomChannel(published.value_or(endpoint.address),
                                   channel_credentials(endpoint.tls), arguments);
}

std::optional<std::string> token_of(const Endpoint& endpoint) {
  return endpoint.in_process != nullptr ? endpoint.in_process->impl().in_process_token
                                        : endpoint.token;
}

/// What a status that is not OK means to the caller.
[[noreturn]] void throw_for(const grpc::Status& status, const grpc::ClientContext& context,
                            const std::string& peer, std::chrono::milliseconds deadline) {
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find(grpc::string_ref(kReasonKey.data(), kReasonKey.size()));
  if (found != trailing.end()) {
    const std::string_view number(found->second.data(), found->second.size());
    if (const auto reason = reason_of(number)) throw Refused(*reason, status.error_message());
  }
  const std::string& words = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      throw CommError(
          fmt::format("{} did not answer within {} ms ({}); is the machine overloaded, or the "
                      "network cut?",
                      peer, deadline.count(), words));
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      throw Refused(Reason::too_large, fmt::format("{} refuses the call: {}", peer, words));
    case grpc::StatusCode::UNIMPLEMENTED:
      throw Refused(Reason::version,
                    fmt::format("{} does not know the call ({}); run the same version of softmoe "
                                "on both sides",
                                peer, words));
    case grpc::StatusCode::UNAVAILABLE:
      throw CommError(
          fmt::format("{} cannot be reached: {}; is it running, and does this machine have the "
                      "certificate or token of this run?",
                      peer, words));
    default:
      throw CommError(fmt::format("a call of {} failed with status {}: {}", peer,
                                  static_cast<int>(status.error_code()), words));
  }
}

}  // namespace

struct ClientCalls::State {
  std::shared_ptr<grpc::Channel> channel;  ///< of the one thread that calls
  std::mutex mutex;                        ///< of what follows
  grpc::ClientContext* in_progress = nullptr;
  bool is_cancelled = false;
};

ClientCalls::ClientCalls(Endpoint endpoint, std::optional<Rank> rank)
    : endpoint_(std::move(endpoint)),
      rank_(rank),
      peer_(endpoint_.in_process != nullptr
                ? "the coordinator of this process"
                : fmt::format("the coordinator at {}", endpoint_.address)),
      state_(std::make_unique<State>()) {}

ClientCalls::~ClientCalls() = default;

void ClientCalls::cancel() {
  const std::lock_guard lock(state_->mutex);
  state_->is_cancelled = true;
  if (state_->in_progress != nullptr) state_->in_progress->TryCancel();
}

std::string ClientCalls::exchange(Method method, const std::string& bytes,
                                  std::chrono::milliseconds deadline) {
  if (state_->channel == nullptr) state_->channel = open_channel(endpoint_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  if (const auto token = token_of(endpoint_))
    context.AddMetadata(key(kAuthorization), key(kBearer) + *token);
  if (rank_) context.AddMetadata(key(kRankKey), std::to_string(rank_->value));
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_cancelled) throw CommError(fmt::format("the line to {} was ended", peer_));
    state_->in_progress = &context;
  }

  grpc::GenericStub stub(state_->channel);
  grpc::CompletionQueue queue;
  grpc::ByteBuffer reply;
  grpc::Status status;
  const auto call =
      stub.PrepareUnaryCall(&context, std::string(rules_of(method).path), buffer_of(bytes), &queue);
  call->StartCall();
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  {
    const std::lock_guard lock(state_->mutex);
    state_->in_progress = nullptr;
  }
  if (status.ok()) return text_of(reply);
  // A refusal comes over a connection that works. Any other end may be the connection's own, also
  // a deadline: a link that was cut is silent.
  if (context.GetServerTrailingMetadata().empty()) state_->channel.reset();
  throw_for(status, context, peer_, deadline);
}

void ClientCalls::throw_bad_reply(const Refused& refused) const {
  throw CommError(
      fmt::format("{} answered what this version does not understand: {}", peer_, refused.what()));
}

}  // namespace softmoe::coordinator
