// A server that asks for certificates, and those who come without the right one.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "coordinator/certificates.h"
#include "coordinator/control_client.h"
#include "coordinator/credentials.h"
#include "coordinator/openssl_handle.h"
#include "coordinator/rank_line.h"
#include "coordinator/server.h"
#include "coordinator/service.h"
#include "coordinator/wire.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/coordinator_wire/fake_coordinator.h"
#include "tests/unit/coordinator_wire/raw_call.h"
#include "tests/unit/coordinator_wire/refused_matcher.h"

namespace softmoe::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::Throws;

std::string text_at(const storage::Path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What a program says, with what it says of errors.
std::string output_of(const std::string& command) {
  std::string output;
  std::FILE* const pipe = ::popen((command + " 2>&1 </dev/null").c_str(), "r");
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) output += part.data();
  ::pclose(pipe);
  return output;
}

class CoordinatorTls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDirectory>();
    make_certificates(*directory_ / "run",
                      {.run_id = "run", .world = 2, .hosts = {"127.0.0.1"}, .days = 30});
    make_certificates(*directory_ / "other",
                      {.run_id = "run", .world = 2, .hosts = {"127.0.0.1"}, .days = 30});
  }
  static void TearDownTestSuite() { directory_.reset(); }

  CoordinatorTls() { serve("run"); }

  void serve(const std::string& run_id) {
    config_.tls = tls_of("coordinator");
    server_ = std::make_unique<Server>(
        fake_.handlers(), Server::Options{.config = config_, .run_id = run_id, .tokens = tokens_});
  }

  static TlsConfig tls_of(const std::string& who, const std::string& set = "run") {
    const storage::Path folder = *directory_ / set;
    return {.ca_file = folder / "ca.pem",
            .certificate_file = folder / (who + ".pem"),
            .key_file = folder / (who + ".key")};
  }

  Endpoint endpoint(const std::string& who) const {
    return {.address = server_->address(), .tls = tls_of(who)};
  }

  /// A channel that checks nothing of its own: it trusts the run's authority and shows what it is
  /// given.
  std::shared_ptr<grpc::Channel> channel(const std::string& certificate,
                                         const std::string& key) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        server_->address(),
        grpc::SslCredentials({.pem_root_certs = text_at(tls_of("admin").ca_file),
                              .pem_private_key = key,
                              .pem_cert_chain = certificate}),
        arguments);
  }

  std::shared_ptr<grpc::Channel> channel_of(const TlsConfig& tls) const {
    return channel(text_at(tls.certificate_file), text_at(tls.key_file));
  }

  static RawReply heartbeat(const std::shared_ptr<grpc::Channel>& channel, int rank) {
    return raw_call(channel, path_of("SendHeartbeat"),
                    encode(Heartbeat{.run_id = "run",
                                     .process = {.rank = Rank{rank}, .incarnation = 1},
                                     .term = 1,
                                     .place = {}}),
                    {{"softmoe-rank", std::to_string(rank)}});
  }

  std::string s_client(const std::string& version) const {
    const TlsConfig tls = tls_of("admin");
    return output_of("openssl s_client -brief -connect " + server_->address() + " -" + version +
                     " -alpn h2 -CAfile " + tls.ca_file + " -cert " + tls.certificate_file +
                     " -key " + tls.key_file);
  }

  static std::unique_ptr<TemporaryDirectory> directory_;
  CoordinatorConfig config_;
  std::optional<Tokens> tokens_;
  FakeCoordinator fake_;
  std::unique_ptr<Server> server_;
};

std::unique_ptr<TemporaryDirectory> CoordinatorTls::directory_;

TEST_F(CoordinatorTls, KnowsPeopleByTheirCertificates) {
  ControlClient admin(endpoint("admin"));
  ControlClient observer(endpoint("observer"));

  EXPECT_EQ(admin.request(budget::Request::save).number, 1);
  EXPECT_EQ(observer.status().term, 1);
  EXPECT_THAT([&] { static_cast<void>(observer.change({.budget = 1.0})); },
              IsRefused(Reason::role));
  EXPECT_EQ(server_->warning(), "");
}

TEST_F(CoordinatorTls, LetsARankSpeakForItselfAlone) {
  const auto rank_1 = channel_of(tls_of("rank-1"));

  EXPECT_TRUE(heartbeat(rank_1, 1).status.ok());
  const RawReply reply = heartbeat(rank_1, 0);
  EXPECT_EQ(reply.reason, Reason::role);
  EXPECT_THAT(reply.status.error_message(), HasSubstr("rank 1 calls"));
  EXPECT_EQ(heartbeat(channel_of(tls_of("admin")), 0).reason, Reason::role);
  EXPECT_EQ(fake_.heartbeats_.size(), 1U);
}

// Connections of one process to one place: each with the certificate of its own rank.
TEST_F(CoordinatorTls, KeepsTheLinesOfOneProcessApart) {
  const Progress progress;
  std::vector<std::unique_ptr<RankLine>> lines;
  for (int rank = 0; rank < 2; ++rank) {
    lines.push_back(std::make_unique<RankLine>(
        RankLine::Parts{.endpoint = endpoint("rank-" + std::to_string(rank)),
                        .run = {.run_id = "run", .version = "1", .config_hash = "a", .world = 2},
                        .rank = Rank{rank},
                        .progress = progress,
                        .changes = {},
                        .first_step = {},
                        .log = {}}));
  }

  EXPECT_TRUE(fake_.wait_for([](const auto& fake) {
    std::array<int, 2> num_of{};
    for (const auto& beat : fake.heartbeats_) ++num_of[std::size_t(beat.process.rank.value)];
    return num_of[0] >= 2 && num_of[1] >= 2;
  }));
  EXPECT_TRUE(fake_.refusals_.empty());
}

TEST_F(CoordinatorTls, TurnsAwayWhoHasNoCertificate) {
  EXPECT_EQ(heartbeat(channel("", ""), 0).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(heartbeat(plain_channel(server_->address()), 0).status.ok());
  EXPECT_TRUE(fake_.heartbeats_.empty());
  // The handshake was the end of it; no call was looked at.
  EXPECT_TRUE(fake_.refusals_.empty());
}

TEST_F(CoordinatorTls, TurnsAwayCertificatesOfAnotherAuthority) {
  EXPECT_FALSE(heartbeat(channel_of(tls_of("rank-0", "other")), 0).status.ok());
  EXPECT_TRUE(fake_.heartbeats_.empty());
}

TEST_F(CoordinatorTls, TurnsAwayItsOwnCertificateAsACallers) {
  EXPECT_FALSE(heartbeat(channel_of(tls_of("coordinator")), 0).status.ok());
  EXPECT_TRUE(fake_.heartbeats_.empty());
}

TEST_F(CoordinatorTls, TurnsAwayCertificatesThatHaveExpired) {
  const TlsConfig tls = tls_of("rank-0");
  const std::string pem = text_at(tls.certificate_file);
  const std::string ca_key = text_at(*directory_ / "run/ca.key");
  const openssl::Certificate certificate(
      PEM_read_bio_X509(openssl::reader_of(pem).get(), nullptr, nullptr, nullptr));
  const openssl::Key key(
      PEM_read_bio_PrivateKey(openssl::reader_of(ca_key).get(), nullptr, nullptr, nullptr));
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), -60);
  ASSERT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const openssl::Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  const std::string expired(text, static_cast<std::size_t>(size));

  EXPECT_TRUE(heartbeat(channel(pem, text_at(tls.key_file)), 0).status.ok());
  EXPECT_FALSE(heartbeat(channel(expired, text_at(tls.key_file)), 0).status.ok());

  // A rank that would show it is told before it calls.
  const storage::Path file = *directory_ / "expired.pem";
  std::ofstream(file) << expired;
  ControlClient client(
      {.address = server_->address(),
       .tls = {.ca_file = tls.ca_file, .certificate_file = file, .key_file = tls.key_file}});
  EXPECT_THAT([&] { static_cast<void>(client.status()); },
              Throws<ConfigError>(Property(&ConfigError::what, HasSubstr("expired"))));
}

TEST_F(CoordinatorTls, RefusesTheCertificatesOfAnotherRun) {
  serve("run-2");

  const RawReply reply = heartbeat(channel_of(tls_of("rank-0")), 0);
  EXPECT_EQ(reply.reason, Reason::bad_certificate);
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(CoordinatorTls, TakesNoTokenInPlaceOfACertificate) {
  tokens_ = draw_tokens();
  serve("run");

  const auto reply =
      raw_call(channel_of(tls_of("observer")), path_of("MakeRequest"), encode(RequestOrder{}),
               {{"authorization", "Bearer " + *tokens_->admin}});
  EXPECT_EQ(reply.reason, Reason::role);
}

TEST_F(CoordinatorTls, ServesItsOwnProcessToo) {
  ControlClient client({.in_process = server_.get()});
  EXPECT_EQ(client.request(budget::Request::save).number, 1);
}

TEST_F(CoordinatorTls, IsNotTakenForAnotherHost) {
  make_certificates(*directory_ / "elsewhere",
                    {.run_id = "run", .world = 1, .hosts = {"node-9"}, .days = 1});
  config_.tls = tls_of("coordinator", "elsewhere");
  const Server server(fake_.handlers(), {.config = config_, .run_id = "run", .tokens = {}});
  ControlClient client({.address = server.address(), .tls = tls_of("admin", "elsewhere")});

  EXPECT_THAT([&] { static_cast<void>(client.status()); },
              Throws<CommError>(Property(&CommError::what, HasSubstr("cannot be reached"))));
}

TEST_F(CoordinatorTls, TakesUpRenewedCertificatesWhileItRuns) {
  namespace fs = std::filesystem;
  const fs::path served = *directory_ / "served";
  fs::copy(*directory_ / "run", served);
  Service service(
      {.handlers = fake_.handlers(),
       .gate = {.proof = Gate::Proof::certificate, .run_id = "run", .max_calls_per_second = 1000.0},
       .max_message_bytes = 1 << 20});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(
      "127.0.0.1:0", server_credentials(tls_of("coordinator", "served"), std::chrono::seconds(1)),
      &port);
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto is_served = [&](const std::string& set) {
    ControlClient client(
        {.address = "127.0.0.1:" + std::to_string(port), .tls = tls_of("admin", set)});
    try {
      return client.status().term == 1;
    } catch (const CommError&) {
      return false;
    }
  };
  EXPECT_TRUE(is_served("run"));
  EXPECT_FALSE(is_served("other"));

  for (const std::string name : {"coordinator.key", "coordinator.pem", "ca.pem"})
    fs::copy_file(*directory_ / "other" / name, served / name,
                  fs::copy_options::overwrite_existing);

  const auto end = std::chrono::steady_clock::now() + test::patience(std::chrono::seconds(10));
  while (!is_served("other") && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(is_served("other"));
  EXPECT_FALSE(is_served("run"));
  server->Shutdown(std::chrono::system_clock::now());
}

// By a client that has nothing to do with this program.
TEST_F(CoordinatorTls, SpeaksNothingBelowTls13) {
  if (std::system("openssl version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "the program openssl is not on this machine";

  EXPECT_THAT(s_client("tls1_3"), AllOf(HasSubstr("CONNECTION ESTABLISHED"), HasSubstr("TLSv1.3"),
                                        HasSubstr("Verification: OK")));
  EXPECT_THAT(s_client("tls1_2"), AllOf(HasSubstr("error"), Not(HasSubstr("ESTABLISHED"))));
}

}  // namespace
}  // namespace softmoe::coordinator
