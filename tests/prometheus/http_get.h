#pragma once

#include <string>

namespace softmoe::test {

/// The body that a server of this machine answers a GET with.
/// @param address  host:port, the host an IPv4 address
/// @param target   path and query
/// @throws std::runtime_error if it cannot be reached, or says another status than 200
[[nodiscard]] std::string http_get(const std::string& address, const std::string& target);

/// The text as a part of a query.
[[nodiscard]] std::string url_encoded(const std::string& text);

/// A port of the loopback that nobody listens at.
[[nodiscard]] int free_port();

}  // namespace softmoe::test
