#pragma once

#include <string>

namespace softmoe::coordinator {

/// host:port as its two parts; the port's digits may be missing or wrong.
struct HostPort {
  std::string host;  ///< without brackets
  std::string port;
};
[[nodiscard]] HostPort split_address(const std::string& address);

/// Why nothing can listen at host:port, in the system's words: the port is taken, the host has no
/// such address, or is unknown.
[[nodiscard]] std::string why_not_listening(const std::string& address);

/// What others call the host that listens at `host`: the machine's name for "every address".
[[nodiscard]] std::string name_for_others(const std::string& host);

/// host:port, with brackets where the host needs them.
[[nodiscard]] std::string join_address(const std::string& host, int port);

}  // namespace softmoe::coordinator
