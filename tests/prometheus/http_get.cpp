#include "tests/prometheus/http_get.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace softmoe::test {

namespace {

constexpr int kSeconds = 20;  // a server that says nothing for so long

/// Closed at its end.
class Socket {
 public:
  Socket() : number_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(number_); }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

sockaddr_in address_of(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("no IPv4 address: " + host);
  }
  return address;
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

void connect_to(const Socket& socket, const std::string& address) {
  const auto colon = address.rfind(':');
  const sockaddr_in there =
      address_of(address.substr(0, colon), std::stoi(address.substr(colon + 1)));
  const timeval limit{.tv_sec = kSeconds, .tv_usec = 0};
  ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
    fail("cannot connect to " + address);
  }
}

std::string everything_from(const Socket& socket) {
  std::string reply;
  std::array<char, 16384> chunk{};
  ssize_t got = 0;
  while ((got = ::recv(socket.number(), chunk.data(), chunk.size(), 0)) > 0) {
    reply.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (got < 0) fail("no reply");
  return reply;
}

}  // namespace

std::string http_get(const std::string& address, const std::string& target) {
  const Socket socket;
  connect_to(socket, address);
  // Version 1.0: the reply ends with the connection, and comes in one piece.
  const std::string request = fmt::format("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", target, address);
  if (::send(socket.number(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    fail("cannot ask " + address);
  }
  const std::string reply = everything_from(socket);
  const auto body = reply.find("\r\n\r\n");
  if (body == std::string::npos || reply.compare(8, 5, " 200 ") != 0) {
    throw std::runtime_error(fmt::format("GET {}: {}", target, reply.substr(0, 1000)));
  }
  return reply.substr(body + 4);
}

std::string url_encoded(const std::string& text) {
  std::string encoded;
  for (const char letter : text) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0) {
      encoded += letter;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(letter));
    }
  }
  return encoded;
}

int free_port() {
  const Socket socket;
  sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t size = sizeof address;
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("no free port");
  }
  return ntohs(address.sin_port);
}

}  // namespace softmoe::test
