#include "coordinator/server.h"

#include <fmt/format.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "coordinator/credentials.h"
#include "coordinator/grpc_library.h"
#include "coordinator/listen.h"
#include "coordinator/server_impl.h"
#include "runtime/base/narrow.h"

namespace softmoe::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenLooks{250};
constexpr std::chrono::seconds kBetweenReads{60};  ///< of the certificates
constexpr milliseconds kGoodbye{200};              ///< for calls in progress when the server ends
constexpr int kMaxThreads = 64;
constexpr int kMaxCallsOfConnection = 64;
constexpr int kMaxMetadataBytes = 8 << 10;
constexpr int kMinPingMs = 10'000;
constexpr int kMaxHandshakeMs = 10'000;
constexpr int kMaxIdleMs = 300'000;

Gate::Proof proof_of(const Server::Options& options) {
  if (options.config.tls.is_given()) return Gate::Proof::certificate;
  if (options.tokens) return Gate::Proof::token;
  if (options.config.insecure || is_on_loopback(options.config.listen)) return Gate::Proof::none;
  throw ConfigError(fmt::format(
      "coordinator.listen is {}, which other machines reach, and callers would prove nothing: set "
      "coordinator.tls (`softmoe coordinator certs` makes what it needs), or give tokens; "
      "coordinator.insecure: true does without",
      options.config.listen));
}

std::string warning_for(const Server::Options& options, Gate::Proof proof) {
  const std::string& listen = options.config.listen;
  if (proof == Gate::Proof::certificate) return "";
  if (proof == Gate::Proof::token) {
    if (is_on_loopback(options.config.listen)) return "";
    return fmt::format(
        "the coordinator listens on {} without TLS: whoever can read the network can read the "
        "tokens of this run and take its ranks' and its owner's place",
        listen);
  }
  return fmt::format(
      "the coordinator listens on {} and callers prove nothing: whoever can reach it can {}",
      listen, "change the budget of this run or stop it");
}

void set_limits(grpc::ServerBuilder& builder, const CoordinatorConfig& config) {
  grpc::ResourceQuota quota("softmoe-coordinator");
  quota.Resize(static_cast<std::size_t>(config.memory_bytes)).SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  // Twice the limit: so that what is a little too large is refused in words.
  const std::int64_t hard_limit =
      std::min<std::int64_t>(2 * config.max_message_bytes, std::numeric_limits<int>::max());
  builder.SetMaxReceiveMessageSize(static_cast<int>(hard_limit));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsOfConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kMaxHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxIdleMs);
}

}  // namespace

Server::Impl::Impl(Handlers handlers, const Options& options) {
  quiet_grpc();
  const CoordinatorConfig& config = options.config;
  const Gate::Proof proof = proof_of(options);
  warning = warning_for(options, proof);
  in_process_token = *draw_tokens().admin;
  service = std::make_unique<Service>(
      Service::Parts{.handlers = std::move(handlers),
                     .gate = {.proof = proof,
                              .run_id = options.run_id,
                              .tokens = options.tokens.value_or(Tokens{}),
                              .in_process = in_process_token,
                              .max_calls_per_second = config.max_calls_per_second},
                     .max_message_bytes = config.max_message_bytes,
                     .log = options.log});
  grpc::ServerBuilder builder;
  set_limits(builder, config);
  builder.RegisterCallbackGenericService(service.get());
  int port = 0;
  builder.AddListeningPort(config.listen, server_credentials(config.tls, kBetweenReads), &port);
  server = builder.BuildAndStart();
  const auto place = parse_host_port(config.listen);
  if (server == nullptr || port == 0 || !place) {
    throw ConfigError(fmt::format(
        "the coordinator cannot listen on {}: {}; set coordinator.listen to a free port of this "
        "machine, or to port 0 for any",
        config.listen, why_not_listening(config.listen)));
  }
  address = for_others({.host = place->host, .port = port}).text();
  ticker_ = std::thread([this] { look_until_stopped(); });
}

Server::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  stopped_.notify_all();
  if (ticker_.joinable()) ticker_.join();
  if (server != nullptr) {
    server->Shutdown(std::chrono::system_clock::now() + kGoodbye);
    server->Wait();
  }
}

void Server::Impl::look_until_stopped() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kBetweenLooks, [&] { return is_stopped_; })) {
    lock.unlock();
    service->look(Service::Clock::now());
    lock.lock();
  }
}

Server::Server(Handlers handlers, const Options& options)
    : impl_(std::make_unique<Impl>(std::move(handlers), options)) {}

Server::~Server() = default;

const std::string& Server::address() const {
  return impl_->address;
}

AllCallTotals Server::calls() const {
  return impl_->service->counts().totals();
}

const std::string& Server::warning() const {
  return impl_->warning;
}

}  // namespace softmoe::coordinator
