#pragma once

namespace softmoe::coordinator {

/// From here on no connection of this process speaks less than TLS 1.3.
///
/// gRPC 1.51 accepts TLS 1.2, and has no public way to forbid it. OpenSSL's own configuration of
/// new TLS contexts does, which gRPC takes up where it is built on OpenSSL, as Debian's is; a gRPC
/// with BoringSSL inside would pass it by. gRPC alone speaks TLS in softmoe, so nothing else is
/// concerned.
/// @throws ConfigError if OpenSSL does not take the configuration
void require_tls_1_3();

}  // namespace softmoe::coordinator
