#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace softmoe {

/// A place to listen at or to connect to.
struct HostPort {
  std::string host;  ///< a name or a number; of IPv6 without its brackets
  int port = 0;      ///< 0 to 65535; 0: any free one

  /// As it is written: "node7:9100", "[::1]:9100".
  [[nodiscard]] std::string text() const;
  /// Whether the host stands for all addresses of a machine: 0.0.0.0, ::, *.
  [[nodiscard]] bool is_every_address() const;
};

/// The parts of "host:port"; nothing if the text is not that. A host is letters, digits and .-_*,
/// or in brackets also colons and a zone (%eth0): no path, no name of a user, no blank.
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view text);

}  // namespace softmoe
