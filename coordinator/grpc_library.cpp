#include "coordinator/grpc_library.h"

#include <google/protobuf/stubs/common.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include <cstdlib>
#include <mutex>

namespace softmoe::coordinator {

LibraryVersions library_versions() {
  return {.grpc = grpc::Version(),
          .protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
          .openssl = OpenSSL_version(OPENSSL_VERSION),
          .built_openssl = OPENSSL_VERSION_TEXT};
}

void quiet_grpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  });
}

}  // namespace softmoe::coordinator
