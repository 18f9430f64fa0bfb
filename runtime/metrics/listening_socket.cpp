#include "runtime/metrics/listening_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/host_port.h"

namespace softmoe::metrics {
namespace {

constexpr int kBacklog = 128;

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

[[noreturn]] void refuse(const std::string& listen, std::string_view why, std::string_view cure) {
  throw ConfigError(fmt::format("cannot listen for metrics on '{}': {}; {}", listen, why, cure));
}

Addresses look_up(const std::string& listen, const HostPort& place) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(place.port);
  const int code = ::getaddrinfo(place.host.c_str(), port.c_str(), &hints, &found);
  if (code != 0) {
    refuse(listen, fmt::format("the host is unknown here ({})", ::gai_strerror(code)),
           "give an address or a name of this machine, or 0.0.0.0 for all of its addresses");
  }
  return Addresses(found);
}

/// A listening descriptor, or the negative error.
int try_to_listen(const addrinfo& address) {
  const int descriptor = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 &&
      ::listen(descriptor, kBacklog) == 0)
    return descriptor;
  const int error = errno;
  ::close(descriptor);
  return -error;
}

std::string_view cure_of(int error) {
  switch (error) {
    case EADDRINUSE:
      return "another program listens there: choose another port, or 0 for a free one";
    case EACCES:
      return "choose a port from 1024 on, or 0 for a free one";
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return "give an address of this machine, or 0.0.0.0 for all of its addresses";
    default:
      return "choose another address";
  }
}

sockaddr_storage bound_address(int descriptor) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

int port_of(const sockaddr_storage& address) {
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  std::memcpy(&v4, &address, sizeof(v4));
  std::memcpy(&v6, &address, sizeof(v6));
  return ntohs(address.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

bool is_loopback(const sockaddr_storage& address) {
  constexpr unsigned char kLoopbackNet = 127;
  if (address.ss_family == AF_INET) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, &address, sizeof(v4));
    return ntohl(v4.sin_addr.s_addr) >> 24 == kLoopbackNet;
  }
  sockaddr_in6 v6 = {};
  std::memcpy(&v6, &address, sizeof(v6));
  const unsigned char* bytes = v6.sin6_addr.s6_addr;
  const bool is_mapped_v4 = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) || (is_mapped_v4 && bytes[12] == kLoopbackNet);
}

}  // namespace

ListeningSocket listen_at(const std::string& listen) {
  const std::optional<HostPort> place = parse_host_port(listen);
  if (!place) {
    refuse(listen, "it is no host:port",
           "write 127.0.0.1:9100, [::1]:9100 or 0.0.0.0:9100, and port 0 for a free one");
  }
  const Addresses addresses = look_up(listen, *place);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    const int descriptor = try_to_listen(*at);
    if (descriptor >= 0) {
      const sockaddr_storage bound = bound_address(descriptor);
      return {.descriptor = descriptor,
              .address = HostPort{.host = place->host, .port = port_of(bound)}.text(),
              .is_loopback = is_loopback(bound)};
    }
    // Of several, what the first says: the host's main address.
    if (at == addresses.get()) error = -descriptor;
  }
  refuse(listen, std::system_category().message(error), cure_of(error));
}

}  // namespace softmoe::metrics
