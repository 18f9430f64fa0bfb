#include "coordinator/listen.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
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

HostPort split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostPort parts{.host = address.substr(0, colon),
                 .port = colon == std::string::npos ? "" : address.substr(colon + 1)};
  if (parts.host.size() >= 2 && parts.host.front() == '[' && parts.host.back() == ']')
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  return parts;
}

bool is_address(std::string_view text, int least_port) {
  constexpr std::string_view kOfHosts =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%*";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  if (text.find_first_not_of(kOfHosts) != std::string_view::npos) return false;
  const std::string_view digits = text.substr(colon + 1);
  int port = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc() && end == digits.data() + digits.size() && port >= least_port &&
         port <= 65535;
}

std::string why_not_listening(const std::string& address) {
  const HostPort parts = split_address(address);
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found);
  if (code != 0) return ::gai_strerror(code);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (const int error = try_to_bind(*at); error != 0)
      return std::system_category().message(error);
  }
  return "the address is refused";
}

std::string name_for_others(const std::string& host) {
  if (host != "0.0.0.0" && host != "::" && host != "*") return host;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return host;
  return name.data();
}

std::string address_for_others(const std::string& address) {
  const HostPort parts = split_address(address);
  const std::string host = name_for_others(parts.host);
  return host == parts.host ? address : fmt::format("{}:{}", host, parts.port);
}

std::string join_address(const std::string& host, int port) {
  const bool is_number_of_v6 = host.find(':') != std::string::npos;
  return is_number_of_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace softmoe::coordinator
