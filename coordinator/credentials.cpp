#include "coordinator/credentials.h"

#include "runtime/base/errors.h"

namespace softmoe::coordinator {

std::shared_ptr<grpc::ServerCredentials> server_credentials(const TlsConfig& tls) {
  if (!tls.is_given()) return grpc::InsecureServerCredentials();
  throw ConfigError("coordinator.tls is not in this version");
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const TlsConfig& tls) {
  if (!tls.is_given()) return grpc::InsecureChannelCredentials();
  throw ConfigError("coordinator.tls is not in this version");
}

}  // namespace softmoe::coordinator
