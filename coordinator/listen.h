#pragma once

#include <string>
#include <string_view>

namespace softmoe::coordinator {

/// host:port as its two parts; the port's digits may be missing or wrong.
struct HostPort {
  std::string host;  ///< without brackets
  std::string port;
};
[[nodiscard]] HostPort split_address(const std::string& address);

/// Whether the text is host:port, with a port from `least_port` on and a host of letters, digits
/// and
/// .-_:[]%* alone: no path, no name of a user, no blank.
[[nodiscard]] bool is_address(std::string_view text, int least_port);

/// Why nothing can listen at host:port, in the system's words: the port is taken, the host has no
/// such address, or is unknown.
[[nodiscard]] std::string why_not_listening(const std::string& address);

/// What others call the host that listens at `host`: the machine's name for "every address".
[[nodiscard]] std::string name_for_others(const std::string& host);

/// host:port as others reach who listens there.
[[nodiscard]] std::string address_for_others(const std::string& address);

/// host:port, with brackets where the host needs them.
[[nodiscard]] std::string join_address(const std::string& host, int port);

}  // namespace softmoe::coordinator
