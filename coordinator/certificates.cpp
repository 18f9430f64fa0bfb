#include "coordinator/certificates.h"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "coordinator/openssl_handle.h"
#include "coordinator/secret_file.h"
#include "coordinator/wire.h"
#include "runtime/base/errors.h"
#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::coordinator {
namespace {

using openssl::Certificate;
using openssl::Key;

constexpr int kMaxDays = 3650;
constexpr int kMaxCertificates = 100'000;
constexpr int kMaxCommonNameBytes = 64;
constexpr int kSerialBits = 159;  // 20 bytes at most, and positive
/// For clocks that are not quite right.
constexpr long kBackdatedSeconds = 300;

void check(bool worked, std::string_view what) {
  if (!worked) {
    throw InternalError(
        fmt::format("cannot make a certificate: {}: {}", what, openssl::last_error()));
  }
}

/// What is made before anything is written.
struct Made {
  std::string name;  ///< of the files, without ending
  std::string certificate;
  std::string key;
};

struct Issuer {
  X509* certificate = nullptr;  ///< null: signs itself
  EVP_PKEY* key = nullptr;
};

std::string pem_of(X509* certificate) {
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(out.get(), certificate) == 1, "its text");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string pem_of(EVP_PKEY* key) {
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "the key's text");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

void set_serial(X509* certificate) {
  const openssl::BigNumber serial(BN_new());
  check(serial != nullptr &&
            BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
            BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr,
        "its serial number");
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const openssl::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  check(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, value);
}

/// A certificate without extensions and signature.
Certificate begin_certificate(const std::string& common_name, int days, EVP_PKEY* key,
                              const Issuer& issuer) {
  Certificate certificate(X509_new());
  check(certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1,
        "its version");
  set_serial(certificate.get());
  check(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kBackdatedSeconds) != nullptr &&
            X509_time_adj_ex(X509_getm_notAfter(certificate.get()), days, 0, nullptr) != nullptr,
        "its dates");
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  const std::string name = common_name.substr(0, kMaxCommonNameBytes);
  check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(name.data()),
                                   static_cast<int>(name.size()), -1, 0) == 1,
        "its name");
  X509* const signer = issuer.certificate != nullptr ? issuer.certificate : certificate.get();
  check(X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) == 1 &&
            X509_set_pubkey(certificate.get(), key) == 1,
        "its key");
  return certificate;
}

struct Extensions {
  std::string constraints;
  std::string key_usage;
  std::string purposes;  ///< extended key usage; empty: none
  std::string names;     ///< subject alternative names; empty: none
};

Certificate issue(const std::string& common_name, int days, const Extensions& extensions,
                  EVP_PKEY* key, const Issuer& issuer) {
  Certificate certificate = begin_certificate(common_name, days, key, issuer);
  X509* const made = certificate.get();
  X509* const signer = issuer.certificate != nullptr ? issuer.certificate : made;
  add_extension(made, signer, NID_basic_constraints, extensions.constraints);
  add_extension(made, signer, NID_key_usage, extensions.key_usage);
  add_extension(made, signer, NID_subject_key_identifier, "hash");
  add_extension(made, signer, NID_authority_key_identifier, "keyid:always");
  if (!extensions.purposes.empty())
    add_extension(made, signer, NID_ext_key_usage, extensions.purposes);
  if (!extensions.names.empty())
    add_extension(made, signer, NID_subject_alt_name, extensions.names);
  check(X509_sign(made, issuer.key, EVP_sha256()) > 0, "its signature");
  return certificate;
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  check(key != nullptr, "a key");
  return key;
}

/// Certificates of one authority.
class Authority {
 public:
  Authority(const std::string& run_id, int days)
      : days_(days),
        key_(make_key()),
        certificate_(issue(fmt::format("softmoe run {}", run_id), days,
                           {.constraints = "critical,CA:TRUE,pathlen:0",
                            .key_usage = "critical,keyCertSign,cRLSign",
                            .purposes = {},
                            .names = {}},
                           key_.get(), {.certificate = nullptr, .key = key_.get()})) {}

  [[nodiscard]] Made self() const {
    return {.name = "ca", .certificate = pem_of(certificate_.get()), .key = pem_of(key_.get())};
  }

  [[nodiscard]] Made leaf(const std::string& file, const std::string& common_name,
                          const std::string& purposes, const std::string& names) const {
    const Key key = make_key();
    const Certificate made =
        issue(common_name, days_,
              {.constraints = "critical,CA:FALSE",
               .key_usage = "critical,digitalSignature",
               .purposes = purposes,
               .names = names},
              key.get(), {.certificate = certificate_.get(), .key = key_.get()});
    return {.name = file, .certificate = pem_of(made.get()), .key = pem_of(key.get())};
  }

 private:
  int days_;
  Key key_;
  Certificate certificate_;
};

bool is_name(std::string_view text) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_address(const std::string& host) {
  const std::unique_ptr<ASN1_OCTET_STRING, openssl::Free<ASN1_OCTET_STRING_free>> address(
      a2i_IPADDRESS(host.c_str()));
  ERR_clear_error();
  return address != nullptr;
}

void check_order(const CertificateOrder& order) {
  if (!is_name(order.run_id) || order.run_id.size() > 128) {
    throw ConfigError(fmt::format(
        "run id '{}' cannot be part of a certificate's name: use letters, digits, '-', '_' and "
        "'.', at most 128",
        order.run_id));
  }
  if (order.world < 1 || order.world > kMaxCertificates) {
    throw ConfigError(
        fmt::format("certificates for {} ranks, must be 1 to {}", order.world, kMaxCertificates));
  }
  if (order.days < 1 || order.days > kMaxDays)
    throw ConfigError(
        fmt::format("certificates for {} days, must be 1 to {}", order.days, kMaxDays));
  if (order.hosts.empty()) {
    throw ConfigError(
        "no host is given: name those by which ranks reach the coordinator, as in "
        "coordinator.address");
  }
  for (const std::string& host : order.hosts) {
    if (is_address(host) || is_name(host)) continue;
    throw ConfigError(fmt::format("'{}' is neither a host's name nor its number", host));
  }
}

std::string names_of(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts) {
    if (!names.empty()) names += ',';
    names += (is_address(host) ? "IP:" : "DNS:") + host;
  }
  return names;
}

std::vector<Made> make_all(const CertificateOrder& order) {
  const Authority authority(order.run_id, order.days);
  std::vector<Made> made;
  const auto name_of = [&](const std::string& who) {
    return fmt::format("{}.{}", who, order.run_id);
  };
  const auto add_client = [&](const std::string& who) {
    made.push_back(authority.leaf(who, name_of(who), "clientAuth", "DNS:" + name_of(who)));
  };
  // Rank 0 is a server too, where the coordinator is embedded.
  made.push_back(
      authority.leaf("rank-0", name_of("rank-0"), "clientAuth,serverAuth",
                     fmt::format("DNS:{},{}", name_of("rank-0"), names_of(order.hosts))));
  for (int rank = 1; rank < order.world; ++rank) add_client(fmt::format("rank-{}", rank));
  add_client("observer");
  add_client("admin");
  made.push_back(authority.leaf("coordinator", "coordinator." + order.run_id, "serverAuth",
                                names_of(order.hosts)));
  // Last: its certificate is what says that the folder is taken, and complete.
  made.push_back(authority.self());
  return made;
}

}  // namespace

void make_certificates(const storage::Path& folder, const CertificateOrder& order) {
  check_order(order);
  storage::PosixFileSystem files;
  if (files.exists(folder / "ca.pem")) {
    throw ConfigError(fmt::format(
        "'{}' holds the certificates of a run already, and another authority would make them "
        "worthless: choose another folder, or remove it first",
        folder.string()));
  }
  const std::vector<Made> all = make_all(order);
  files.make_directories(folder);
  for (const Made& made : all) {
    write_secret(folder / (made.name + ".key"), made.key);
    storage::write_file(files, folder / (made.name + ".pem"), storage::bytes_of(made.certificate));
  }
}

}  // namespace softmoe::coordinator
