#include "coordinator/credentials.h"

#include <fmt/format.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/pem.h>

#include <string>

#include "coordinator/openssl_handle.h"
#include "coordinator/secret_file.h"
#include "coordinator/tls_version.h"
#include "runtime/base/errors.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::coordinator {
namespace {

using openssl::Certificate;

constexpr std::int64_t kMaxPemBytes = 1 << 20;

struct Pem {
  std::string ca;
  std::string certificate;
  std::string key;
};

Certificate certificate_of(const std::string& path, const std::string& pem) {
  Certificate certificate(
      PEM_read_bio_X509(openssl::reader_of(pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    throw ConfigError(fmt::format(
        "'{}' holds no certificate in PEM: {}; `softmoe certificates` makes a set for a run", path,
        openssl::last_error()));
  }
  return certificate;
}

/// No password is asked for: nobody is there to type one.
int no_password(char*, int, int, void*) {
  return -1;
}

void check_key(const TlsConfig& tls, const Pem& pem, X509* certificate) {
  const openssl::Key key(
      PEM_read_bio_PrivateKey(openssl::reader_of(pem.key).get(), nullptr, no_password, nullptr));
  if (key == nullptr) {
    throw ConfigError(fmt::format("'{}' holds no private key in PEM without a password: {}",
                                  tls.key_file, openssl::last_error()));
  }
  if (X509_check_private_key(certificate, key.get()) != 1) {
    ERR_clear_error();
    throw ConfigError(fmt::format("the key '{}' does not belong to the certificate '{}'",
                                  tls.key_file, tls.certificate_file));
  }
}

/// That the authority signed the certificate, and that both are valid today.
void check_signature(const TlsConfig& tls, X509* ca, X509* certificate) {
  const openssl::Store store(X509_STORE_new());
  const openssl::StoreContext context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr || X509_STORE_add_cert(store.get(), ca) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr) != 1)
    throw InternalError("OpenSSL cannot check a certificate: " + openssl::last_error());
  if (X509_verify_cert(context.get()) == 1) return;
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  throw ConfigError(fmt::format(
      "the certificate '{}' is not good with the authority '{}': {}; the certificates of a run are "
      "made together and valid for a time",
      tls.certificate_file, tls.ca_file, X509_verify_cert_error_string(error)));
}

/// Reads and checks all three, so that a mistake is words at the start and not a connection that
/// fails.
Pem read_checked(const TlsConfig& tls) {
  storage::PosixFileSystem files;
  Pem pem{.ca = storage::read_text(files, tls.ca_file, kMaxPemBytes),
          .certificate = storage::read_text(files, tls.certificate_file, kMaxPemBytes),
          .key = read_secret(tls.key_file)};
  const Certificate ca = certificate_of(tls.ca_file, pem.ca);
  const Certificate certificate = certificate_of(tls.certificate_file, pem.certificate);
  check_key(tls, pem, certificate.get());
  check_signature(tls, ca.get(), certificate.get());
  return pem;
}

Pem read(const TlsConfig& tls) {
  try {
    return read_checked(tls);
  } catch (const StorageError& error) {
    throw ConfigError(fmt::format("{}; see coordinator.tls", error.what()));
  }
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> server_credentials(const TlsConfig& tls,
                                                            std::chrono::seconds between_reads) {
  if (!tls.is_given()) return grpc::InsecureServerCredentials();
  require_tls_1_3();
  static_cast<void>(read(tls));
  // Three files that are read one after the other: a renewal writes them one by one as well, and
  // the provider keeps what it had until key and certificate fit.
  const auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      tls.key_file, tls.certificate_file, tls.ca_file,
      static_cast<unsigned>(between_reads.count()));
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const TlsConfig& tls) {
  if (!tls.is_given()) return grpc::InsecureChannelCredentials();
  require_tls_1_3();
  const Pem pem = read(tls);
  // No watcher here: who calls opens a new connection, and reads the files anew, after a failure.
  return grpc::SslCredentials(
      {.pem_root_certs = pem.ca, .pem_private_key = pem.key, .pem_cert_chain = pem.certificate});
}

}  // namespace softmoe::coordinator
