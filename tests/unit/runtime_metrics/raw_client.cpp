#include "tests/unit/runtime_metrics/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/support/patience.h"

namespace softmoe::metrics {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

void check(bool holds, const char* what) {
  if (!holds) throw std::system_error(errno, std::system_category(), what);
}

int connect_to(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const auto port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = port;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  v6.sin6_addr = in6addr_loopback;
  const bool is_v6 = address.front() == '[';
  const int descriptor = ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(descriptor >= 0, "socket");
  const auto* to =
      is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  if (::connect(descriptor, to, is_v6 ? sizeof(v6) : sizeof(v4)) != 0) {
    ::close(descriptor);
    throw std::runtime_error("nobody answers at " + address);
  }
  return descriptor;
}

}  // namespace

RawClient::RawClient(const std::string& address) : descriptor_(connect_to(address)) {}

RawClient::RawClient(RawClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

RawClient::~RawClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawClient::finish_sending() {
  ::shutdown(descriptor_, SHUT_WR);
}

std::string RawClient::receive(std::size_t most, std::chrono::milliseconds limit) {
  pollfd waited{.fd = descriptor_, .events = POLLIN};
  if (::poll(&waited, 1, static_cast<int>(limit.count())) <= 0) return {};
  std::string bytes(most, '\0');
  const ssize_t count = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
  bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return bytes;
}

std::string RawClient::receive_all() {
  std::string all;
  const Clock::time_point end = Clock::now() + test::patience(20s);
  std::string bytes(65536, '\0');
  while (Clock::now() < end) {
    pollfd waited{.fd = descriptor_, .events = POLLIN};
    if (::poll(&waited, 1, 1000) <= 0) continue;
    const ssize_t count = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
    if (count <= 0) return all;
    all.append(bytes, 0, static_cast<std::size_t>(count));
  }
  throw std::runtime_error("the connection stays open after: " + all.substr(0, 200));
}

std::string RawClient::receive_until(std::string_view end) {
  std::string all;
  const Clock::time_point limit = Clock::now() + test::patience(20s);
  while (all.find(end) == std::string::npos) {
    const std::string more = receive(65536, 1000ms);
    if (more.empty() && Clock::now() > limit) throw std::runtime_error("only this came: " + all);
    all += more;
  }
  return all;
}

bool RawClient::is_closed_within(std::chrono::milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  std::string bytes(65536, '\0');
  while (Clock::now() < end) {
    pollfd waited{.fd = descriptor_, .events = POLLIN};
    if (::poll(&waited, 1, 10) <= 0) continue;
    if (::recv(descriptor_, bytes.data(), bytes.size(), 0) <= 0) return true;
  }
  return false;
}

void RawClient::shrink_receive_buffer(int bytes) {
  check(::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0, "SO_RCVBUF");
}

std::string say(const std::string& address, std::string_view request) {
  RawClient client(address);
  client.send(request);
  return client.receive_all();
}

std::string get(const std::string& address, const std::string& path) {
  return say(address, "GET " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
}

int status_of(const std::string& reply) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  return reply.starts_with(kVersion) ? std::stoi(reply.substr(kVersion.size(), 3)) : -1;
}

std::string body_of(const std::string& reply) {
  const std::size_t end = reply.find("\r\n\r\n");
  return end == std::string::npos ? "" : reply.substr(end + 4);
}

}  // namespace softmoe::metrics
