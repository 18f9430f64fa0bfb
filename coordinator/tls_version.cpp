#include "coordinator/tls_version.h"

#include <fmt/format.h>

#include <mutex>
#include <string_view>

#include "coordinator/openssl_handle.h"
#include "runtime/base/errors.h"

namespace softmoe::coordinator {
namespace {

// What every new TLS context begins with. Protocols are switched off rather than a minimum set:
// gRPC sets a minimum of its own later, and leaves these alone.
constexpr std::string_view kConfiguration = R"(
softmoe = modules
[modules]
ssl_conf = names
[names]
system_default = contexts
[contexts]
Protocol = -SSLv3, -TLSv1, -TLSv1.1, -TLSv1.2
CipherString = DEFAULT:@SECLEVEL=2
)";

void configure() {
  // The system's configuration first: it would replace this one if it came later.
  const openssl::Configuration configuration(NCONF_new(nullptr));
  const openssl::Bio text = openssl::reader_of(kConfiguration);
  long wrong_line = 0;
  const bool is_taken = OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) == 1 &&
                        configuration != nullptr && text != nullptr &&
                        NCONF_load_bio(configuration.get(), text.get(), &wrong_line) == 1 &&
                        CONF_modules_load(configuration.get(), "softmoe", 0) == 1;
  if (!is_taken) {
    throw ConfigError(
        fmt::format("OpenSSL cannot be kept to TLS 1.3: {}; without that, "
                    "coordinator.tls is not used",
                    openssl::last_error()));
  }
}

}  // namespace

void require_tls_1_3() {
  static std::once_flag once;
  std::call_once(once, configure);
}

}  // namespace softmoe::coordinator
