#pragma once

#include <string>

namespace softmoe::coordinator {

/// Libraries of the coordinator's network.
struct LibraryVersions {
  std::string grpc;           ///< loaded
  std::string protobuf;       ///< of the build; another one would not have started
  std::string openssl;        ///< loaded
  std::string built_openssl;  ///< of the build
};
[[nodiscard]] LibraryVersions library_versions();

/// Keeps gRPC from printing: what matters arrives as the status of a call, and a stranger who
/// knocks must not be able to fill the log. Whoever wants to see it sets GRPC_VERBOSITY. To be
/// called before the first server or channel; more often does no harm.
void quiet_grpc();

}  // namespace softmoe::coordinator
