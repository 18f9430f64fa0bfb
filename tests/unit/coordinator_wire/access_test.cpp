#include "coordinator/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "coordinator/endpoint.h"
#include "runtime/base/errors.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::Throws;

template <class Words>
auto IsConfigError(Words words) {
  return Throws<ConfigError>(Property(&ConfigError::what, words));
}

class TokenFile : public testing::Test {
 protected:
  void write(const std::string& text) {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), 0600);
  }
  [[nodiscard]] mode_t mode() const {
    struct stat found = {};
    ::stat(path_.c_str(), &found);
    return found.st_mode & 07777;
  }

  TemporaryDirectory directory_;
  storage::Path path_ = directory_ / "tokens";
};

TEST_F(TokenFile, KeepsWhatWasDrawn) {
  const Tokens tokens = draw_tokens();
  write_tokens(path_, tokens);

  const Tokens read = read_tokens(path_);

  EXPECT_EQ(read.rank, tokens.rank);
  EXPECT_EQ(read.observer, tokens.observer);
  EXPECT_EQ(read.admin, tokens.admin);
  EXPECT_EQ(tokens.rank->size(), 64U);
  EXPECT_NE(tokens.rank, tokens.admin);
  EXPECT_NE(tokens.rank, draw_tokens().rank);
}

TEST_F(TokenFile, IsForItsOwnerAlone) {
  const mode_t before = ::umask(0);
  write_tokens(path_, draw_tokens());
  EXPECT_EQ(mode(), 0600U);
  // Also where a file stood that others could read.
  ::chmod(path_.c_str(), 0644);
  write_tokens(path_, draw_tokens());
  EXPECT_EQ(mode(), 0600U);
  ::umask(before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(TokenFile, IsRefusedIfOthersMayReadOrChangeIt) {
  write_tokens(path_, draw_tokens());
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0644}) {
    ::chmod(path_.c_str(), mode);
    EXPECT_THAT([&] { static_cast<void>(read_tokens(path_)); },
                IsConfigError(AllOf(HasSubstr("chmod 600"), HasSubstr(path_.string()))));
  }
}

TEST_F(TokenFile, MayHoldTheOneRoleOfItsReader) {
  const Tokens tokens = draw_tokens();
  write_tokens(path_, {.rank = {}, .observer = tokens.observer, .admin = {}});

  EXPECT_EQ(read_tokens(path_).observer, tokens.observer);
  EXPECT_FALSE(read_tokens(path_).admin.has_value());
}

TEST_F(TokenFile, IsRefusedWithoutQuotingIt) {
  const std::string token = *draw_tokens().admin;
  const auto refused = [&](const std::string& text, const std::string& words) {
    write(text);
    EXPECT_THAT([&] { static_cast<void>(read_tokens(path_)); },
                IsConfigError(AllOf(HasSubstr(words), Not(HasSubstr(token.substr(8, 20))))));
  };
  refused("", "holds no token");
  refused("admin " + token + "0\n", ":1:");
  refused("admin " + token.substr(1) + "\n", ":1:");
  refused("\n\nowner " + token + "\n", ":3:");
  refused(token + "\n", ":1:");
  refused("admin " + token + "\nadmin " + token + "\n", "second token");
  refused("admin " + std::string(64, 'G') + "\n", ":1:");
  refused(std::string(70'000, 'a'), "larger than");
}

TEST_F(TokenFile, IsMissedAsAFile) {
  EXPECT_THAT([&] { static_cast<void>(read_tokens(path_)); },
              FailsWith(StorageError::Kind::missing, HasSubstr("tokens")));
  EXPECT_THAT([&] { static_cast<void>(read_tokens(directory_.path())); },
              IsConfigError(HasSubstr("regular file")));
  EXPECT_THAT([&] { write_tokens(directory_ / "no/such/folder", draw_tokens()); },
              FailsWith(StorageError::Kind::cannot_write, HasSubstr("folder")));
}

TEST(CertifiedNames, AreThoseOfTheRun) {
  EXPECT_EQ(certified_name("rank-12.run", "run")->rank, Rank{12});
  EXPECT_EQ(certified_name("rank-0.a.b", "a.b")->role, Role::rank);
  EXPECT_EQ(certified_name("observer.run", "run")->role, Role::observer);
  EXPECT_EQ(certified_name("admin.run", "run")->role, Role::admin);
  EXPECT_FALSE(certified_name("admin.run", "run")->rank.has_value());
}

TEST(CertifiedNames, HaveOneFormEach) {
  for (const std::string name : {"",
                                 ".",
                                 "run",
                                 ".run",
                                 "rank.run",
                                 "rank-.run",
                                 "rank--1.run",
                                 "rank-+1.run",
                                 "rank-01.run",
                                 "rank-1",
                                 "rank-1.",
                                 "rank-1.ru",
                                 "rank-1.runs",
                                 "rank-1.x.run",
                                 "rank-1run",
                                 "rank- 1.run",
                                 "rank-99999999999.run",
                                 "RANK-1.run",
                                 "root.run",
                                 "admin.run.evil",
                                 "xadmin.run",
                                 "admin..run"})
    EXPECT_FALSE(certified_name(name, "run").has_value()) << name;
  EXPECT_FALSE(certified_name("admin.", "").has_value());
  // A run whose name ends like another's.
  EXPECT_FALSE(certified_name("admin.big.run", "run").has_value());
}

TEST(ConstantTime, ComparesWholeStrings) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

TEST(Loopback, IsThisMachineAlone) {
  for (const std::string host : {"localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const std::string host : {"", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.example",
                                 "127.evil.example", "127.0.0", "127.0.0.256", "127.0.0.-1",
                                 "127.0.0.1.", "localhost.evil.example", "1270.0.1", "128.0.0.1"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

class EndpointOf : public testing::Test {
 protected:
  EndpointOf() { config_.folder = directory_ / "coordinator"; }

  TemporaryDirectory directory_;
  CoordinatorConfig config_;
};

TEST_F(EndpointOf, AFolderIsWhatWasPublishedThere) {
  EXPECT_FALSE(published_address(config_.folder).has_value());
  EXPECT_THAT([&] { static_cast<void>(find_endpoint(config_, Role::rank)); },
              IsConfigError(HasSubstr("softmoe coordinator")));
  publish_address(config_.folder, "127.0.0.1:4711");
  const Tokens tokens = draw_tokens();
  write_tokens(token_path(config_), tokens);

  const Endpoint endpoint = find_endpoint(config_, Role::admin);

  EXPECT_EQ(endpoint.address, "127.0.0.1:4711");
  EXPECT_EQ(endpoint.token, tokens.admin);
  publish_address(config_.folder, "127.0.0.1:4712");
  EXPECT_EQ(published_address(config_.folder), "127.0.0.1:4712");
}

TEST_F(EndpointOf, AnAddressIsTakenBeforeThePublishedOne) {
  publish_address(config_.folder, "127.0.0.1:4711");
  config_.address = "localhost:1";
  EXPECT_EQ(find_endpoint(config_, Role::rank).address, "localhost:1");
  EXPECT_FALSE(find_endpoint(config_, Role::rank).token.has_value());
}

TEST_F(EndpointOf, ARoleNeedsItsToken) {
  config_.address = "127.0.0.1:1";
  config_.token_file = directory_ / "mine";
  write_tokens(config_.token_file, {.rank = {}, .observer = draw_tokens().rank, .admin = {}});

  EXPECT_TRUE(find_endpoint(config_, Role::observer).token.has_value());
  EXPECT_THAT([&] { static_cast<void>(find_endpoint(config_, Role::admin)); },
              IsConfigError(HasSubstr("no token of role admin")));
}

TEST_F(EndpointOf, AnotherMachineNeedsASecret) {
  config_.address = "node-1:4711";
  EXPECT_THAT([&] { static_cast<void>(find_endpoint(config_, Role::rank)); },
              IsConfigError(AllOf(HasSubstr("node-1:4711"), HasSubstr("coordinator.tls"))));
  config_.insecure = true;
  EXPECT_FALSE(find_endpoint(config_, Role::rank).token.has_value());
  config_.insecure = false;
  config_.tls.ca_file = "ca.pem";
  EXPECT_EQ(find_endpoint(config_, Role::rank).tls.ca_file, "ca.pem");
}

}  // namespace
}  // namespace softmoe::coordinator
