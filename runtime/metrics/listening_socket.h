#pragma once

#include <string>

namespace softmoe::metrics {

/// A TCP socket that listens.
struct ListeningSocket {
  int descriptor = -1;  ///< the caller's to close; does not block and is not inherited by programs
  std::string address;  ///< host:port, the host as it was given, the port the real one
  bool is_loopback = false;  ///< only this machine can reach it
};

/// Listens at host:port, "10.0.0.7:9100", "node7:9100", "[::1]:9100"; port 0: a free one. Of
/// several addresses that a host has, at the first that is free.
/// @throws ConfigError naming the address and the cure
[[nodiscard]] ListeningSocket listen_at(const std::string& listen);

}  // namespace softmoe::metrics
