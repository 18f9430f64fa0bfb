#include "runtime/metrics/http_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/metrics/http_connection.h"
#include "runtime/metrics/listening_socket.h"
#include "runtime/metrics/quiet_thread.h"

namespace softmoe::metrics {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

constexpr std::size_t kSmallestHead = 64;
constexpr std::size_t kGreatestHead = 32768;
// Out of descriptors or memory: connections wait in the backlog meanwhile.
constexpr std::chrono::milliseconds kPauseAfterError{50};

HttpServer::Options checked(HttpServer::Options options) {
  require(options.max_connections > 0, "a listener needs room for one connection");
  require(options.max_request_bytes >= kSmallestHead && options.max_request_bytes <= kGreatestHead,
          fmt::format("a request's head may have {} bytes, and must be allowed {} to {}",
                      options.max_request_bytes, kSmallestHead, kGreatestHead));
  require(options.patience.count() > 0 && options.idle.count() > 0,
          "a listener's patience must be more than none");
  for (const auto& [path, handler] : options.pages) {
    require(path.starts_with('/') && handler != nullptr,
            fmt::format("'{}' is no path with a page", path));
  }
  return options;
}

}  // namespace

struct HttpServer::State {
  explicit State(Options options);
  ~State();

  void wait_for_clients();
  void accept_clients();
  void admit(int descriptor);
  void pause();
  void run();

  HttpService service;
  ListeningSocket listening;
  asio::io_context io{1};
  asio::posix::stream_descriptor listener{io};
  asio::steady_timer pause_timer{io};
  std::thread thread;  // last: it uses all above
};

HttpServer::State::State(Options options) {
  service.options = checked(std::move(options));
  listening = listen_at(service.options.listen);
  Error error;
  listener.assign(listening.descriptor, error);
  if (error) ::close(listening.descriptor);
  expect(!error, "a fresh descriptor is taken");
  wait_for_clients();
  thread = start_quiet_thread([this] { run(); });
}

HttpServer::State::~State() {
  io.stop();
  if (thread.joinable()) thread.join();
  service.open.clear();  // their sockets belong to io
}

void HttpServer::State::run() {
  while (!io.stopped()) {
    try {
      io.run();
    } catch (...) {
      // Out of memory amid a request: its connection goes at its deadline, the others stay.
      ++service.refused;
    }
  }
}

void HttpServer::State::wait_for_clients() {
  listener.async_wait(asio::posix::stream_descriptor::wait_read, [this](const Error& error) {
    if (error == asio::error::operation_aborted) return;
    if (error) return pause();
    accept_clients();
  });
}

void HttpServer::State::accept_clients() {
  // One a turn: who is being served has his turn between two that come.
  const int descriptor =
      ::accept4(listening.descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (descriptor >= 0) {
    admit(descriptor);
    return wait_for_clients();
  }
  const int error = errno;
  if (error == EAGAIN || error == EINTR || error == ECONNABORTED) return wait_for_clients();
  const bool is_out_of_room =
      error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
  if (is_out_of_room) service.close_longest_waiting();
  pause();
}

void HttpServer::State::admit(int descriptor) {
  // The protocol's version is of no consequence for a socket that is open.
  asio::ip::tcp::socket socket(io);
  Error error;
  socket.assign(asio::ip::tcp::v4(), descriptor, error);
  if (error) {
    ::close(descriptor);
    return;
  }
  const bool is_full = std::ssize(service.open) >= service.options.max_connections;
  if (is_full && !service.close_longest_waiting()) {
    ++service.refused;
    return;
  }
  std::shared_ptr<HttpConnection> connection;
  try {
    connection = std::make_shared<HttpConnection>(service, std::move(socket));
    service.open.insert(connection);
    connection->start();
  } catch (const std::bad_alloc&) {
    ++service.refused;
    service.open.erase(connection);
  }
}

void HttpServer::State::pause() {
  pause_timer.expires_after(kPauseAfterError);
  pause_timer.async_wait([this](const Error& error) {
    if (!error) wait_for_clients();
  });
}

HttpServer::HttpServer(Options options) : state_(std::make_unique<State>(std::move(options))) {}

HttpServer::~HttpServer() = default;

std::string HttpServer::address() const {
  return state_->listening.address;
}

bool HttpServer::is_loopback() const {
  return state_->listening.is_loopback;
}

HttpServer::Counts HttpServer::counts() const {
  return {.served = state_->service.served, .refused = state_->service.refused};
}

}  // namespace softmoe::metrics
