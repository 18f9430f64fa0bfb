#pragma once

// Where a coordinator is, and with what to knock.

#include <chrono>
#include <optional>
#include <string>

#include "coordinator/access.h"
#include "coordinator/coordinator_config.h"

namespace softmoe::coordinator {

class Server;

/// How to reach a coordinator as one role.
struct Endpoint {
  std::string address;  ///< host:port; not used with `in_process`
  /// Where the address was published, and is looked up again for every new connection: a
  /// coordinator that was restarted may have another. Empty: the address is given.
  std::string folder;
  const Server* in_process = nullptr;  ///< the server of this process: no network in between
  TlsConfig tls;  ///< given: TLS 1.3, the server's name is checked against the CA
  std::optional<std::string> token;
  std::chrono::milliseconds deadline{2000};  ///< of one call
};

/// The endpoint that a configuration and the coordinator's folder describe.
/// @param role  whose token is taken from the token file; with certificates none is needed
/// @throws ConfigError with the cure: no address published, no token for the role, secrets missing
///         off loopback
[[nodiscard]] Endpoint find_endpoint(const CoordinatorConfig& config, Role role);

/// What a coordinator's folder says of the one that runs there: `address` holds host:port.
/// @throws StorageError
void publish_address(const std::string& folder, const std::string& address);
[[nodiscard]] std::optional<std::string> published_address(const std::string& folder);
/// The same of `metrics_address`, where a standalone one serves its metrics; empty: nowhere, and
/// there is no such file.
/// @throws StorageError
void publish_metrics_address(const std::string& folder, const std::string& address);
/// The token file of a configuration: token_file, or `tokens` in the folder.
[[nodiscard]] std::string token_path(const CoordinatorConfig& config);

}  // namespace softmoe::coordinator
