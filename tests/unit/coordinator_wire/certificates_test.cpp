#include "coordinator/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "coordinator/credentials.h"
#include "coordinator/openssl_handle.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::coordinator {
namespace {

using testing::HasSubstr;
using testing::Property;
using testing::Throws;

template <class Words>
auto IsConfigError(Words words) {
  return Throws<ConfigError>(Property(&ConfigError::what, words));
}

std::string text_at(const storage::Path& path) {
  storage::PosixFileSystem files;
  return storage::read_text(files, path, 1 << 20);
}

openssl::Certificate certificate_at(const storage::Path& path) {
  const std::string pem = text_at(path);
  return openssl::Certificate(
      PEM_read_bio_X509(openssl::reader_of(pem).get(), nullptr, nullptr, nullptr));
}

/// Everything that a certificate says, in OpenSSL's words.
std::string words_of(const storage::Path& path) {
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  X509_print(out.get(), certificate_at(path).get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

class Certificates : public testing::Test {
 protected:
  Certificates() { make_certificates(folder(), order_); }

  [[nodiscard]] storage::Path folder() const { return directory_ / "run"; }
  [[nodiscard]] TlsConfig tls_of(const std::string& who) const {
    return {.ca_file = folder() / "ca.pem",
            .certificate_file = folder() / (who + ".pem"),
            .key_file = folder() / (who + ".key")};
  }

  TemporaryDirectory directory_;
  CertificateOrder order_{
      .run_id = "run-7", .world = 3, .hosts = {"127.0.0.1", "node-1.cluster", "::1"}, .days = 30};
};

TEST_F(Certificates, AreThereForAll) {
  storage::PosixFileSystem files;
  EXPECT_THAT(
      files.list(folder()),
      testing::ElementsAre("admin.key", "admin.pem", "ca.key", "ca.pem", "coordinator.key",
                           "coordinator.pem", "observer.key", "observer.pem", "rank-0.key",
                           "rank-0.pem", "rank-1.key", "rank-1.pem", "rank-2.key", "rank-2.pem"));
  for (const std::string& name : files.list(folder())) {
    struct stat found = {};
    ASSERT_EQ(::stat((folder() / name).c_str(), &found), 0);
    if (name.ends_with(".key")) {
      EXPECT_EQ(found.st_mode & 0777, 0600U) << name;
    }
  }
}

TEST_F(Certificates, SayWhatTheyAreFor) {
  const std::string rank = words_of(folder() / "rank-2.pem");
  EXPECT_THAT(rank, HasSubstr("DNS:rank-2.run-7"));
  EXPECT_THAT(rank, HasSubstr("TLS Web Client Authentication"));
  EXPECT_THAT(rank, testing::Not(HasSubstr("TLS Web Server Authentication")));
  EXPECT_THAT(rank, HasSubstr("CA:FALSE"));
  EXPECT_THAT(rank, HasSubstr("prime256v1"));
  EXPECT_THAT(rank, HasSubstr("Version: 3"));
  const std::string server = words_of(folder() / "coordinator.pem");
  EXPECT_THAT(server,
              HasSubstr("IP Address:127.0.0.1, DNS:node-1.cluster, IP Address:0:0:0:0:0:0:0:1"));
  EXPECT_THAT(server, HasSubstr("TLS Web Server Authentication"));
  EXPECT_THAT(server, testing::Not(HasSubstr("TLS Web Client Authentication")));
  const std::string authority = words_of(folder() / "ca.pem");
  EXPECT_THAT(authority, HasSubstr("CA:TRUE, pathlen:0"));
  EXPECT_THAT(authority, HasSubstr("Certificate Sign"));
}

TEST_F(Certificates, HaveSerialNumbersOfTheirOwn) {
  std::set<std::string> serials;
  for (const std::string who : {"ca", "coordinator", "observer", "admin", "rank-0", "rank-1"}) {
    const auto certificate = certificate_at(folder() / (who + ".pem"));
    const openssl::BigNumber serial(
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
    EXPECT_GT(BN_num_bits(serial.get()), 100);
    char* const text = BN_bn2hex(serial.get());
    serials.insert(text);
    OPENSSL_free(text);
  }
  EXPECT_EQ(serials.size(), 6U);
}

TEST_F(Certificates, AreGoodAsCredentials) {
  EXPECT_NE(server_credentials(tls_of("coordinator"), std::chrono::seconds(60)), nullptr);
  EXPECT_NE(channel_credentials(tls_of("rank-1")), nullptr);
}

TEST_F(Certificates, AreNotMadeOverOthers) {
  const std::string before = text_at(folder() / "ca.pem");
  EXPECT_THAT([&] { make_certificates(folder(), order_); }, IsConfigError(HasSubstr("already")));
  EXPECT_EQ(text_at(folder() / "ca.pem"), before);
}

TEST_F(Certificates, AreNotMadeForAnOrderWithoutSense) {
  const auto refused = [&](const CertificateOrder& order, const std::string& words) {
    EXPECT_THAT([&] { make_certificates(directory_ / "other", order); },
                IsConfigError(HasSubstr(words)));
  };
  CertificateOrder order = order_;
  order.run_id = "a,DNS:admin.b";
  refused(order, "run id");
  order = order_;
  order.world = 0;
  refused(order, "for 0 ranks");
  order = order_;
  order.days = 5000;
  refused(order, "5000 days");
  order = order_;
  order.hosts = {"node,DNS:evil"};
  refused(order, "node,DNS:evil");
  order.hosts = {};
  refused(order, "no host");
  EXPECT_FALSE(storage::PosixFileSystem().exists(directory_ / "other"));
}

TEST_F(Certificates, MustFitTogether) {
  const auto refused = [&](const TlsConfig& tls, const std::string& words) {
    EXPECT_THAT([&] { static_cast<void>(server_credentials(tls, std::chrono::seconds(60))); },
                IsConfigError(HasSubstr(words)));
    EXPECT_THAT([&] { static_cast<void>(channel_credentials(tls)); },
                IsConfigError(HasSubstr(words)));
  };
  TlsConfig tls = tls_of("coordinator");
  tls.key_file = folder() / "admin.key";
  refused(tls, "does not belong");
  tls = tls_of("coordinator");
  tls.certificate_file = folder() / "missing.pem";
  refused(tls, "missing.pem");
  tls.certificate_file = folder() / "ca.key";
  refused(tls, "holds no certificate");
  tls = tls_of("coordinator");
  ASSERT_EQ(::chmod(tls.key_file.c_str(), 0640), 0);
  refused(tls, "chmod 600");
  make_certificates(directory_ / "other", order_);
  tls = tls_of("admin");
  tls.ca_file = directory_ / "other" / "ca.pem";
  refused(tls, "is not good with the authority");
}

}  // namespace
}  // namespace softmoe::coordinator
