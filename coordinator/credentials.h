#pragma once

// TLS as gRPC's credentials.
//
// TLS 1.3 only, and both sides show a certificate of the run's authority.

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <chrono>
#include <memory>

#include "coordinator/coordinator_config.h"

namespace softmoe::coordinator {

/// Of a server; without TLS, plain text. The files are read again every minute, so that
/// certificates can be renewed while it runs.
/// @throws ConfigError with the cure: a file cannot be read, is no certificate or key, the key is
///         readable by others or does not belong to the certificate, or the authority did not sign
///         it
[[nodiscard]] std::shared_ptr<grpc::ServerCredentials> server_credentials(
    const TlsConfig& tls, std::chrono::seconds between_reads);

/// Of a caller; the server's name is checked against its certificate.
/// @throws ConfigError as above
[[nodiscard]] std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const TlsConfig& tls);

}  // namespace softmoe::coordinator
