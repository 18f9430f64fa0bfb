#include "coordinator/listen.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

namespace softmoe::coordinator {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};

/// 0, or the error of binding a socket there.
int try_to_bind(const addrinfo& address) {
  const int descriptor = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool is_free =
      ::bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 && ::listen(descriptor, 1) == 0;
  const int error = is_free ? 0 : errno;
  ::close(descriptor);
  return error;
}

}  // namespace

std::string why_not_listening(const std::string& address) {
  const auto place = parse_host_port(address);
  if (!place) return "it is no host:port";
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(place->host.c_str(), std::to_string(place->port).c_str(), &hints, &found);
  if (code != 0) return ::gai_strerror(code);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (const int error = try_to_bind(*at); error != 0)
      return std::system_category().message(error);
  }
  return "the address is refused";
}

HostPort for_others(HostPort place) {
  std::array<char, 256> name{};
  const bool has_name = ::gethostname(name.data(), name.size() - 1) == 0;
  if (place.is_every_address() && has_name) place.host = name.data();
  return place;
}

}  // namespace softmoe::coordinator
