// Who may do what with a run, from outside: tokens, certificates, and a rank that lies.

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/coordinator/supervised_run.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// The line of a role in a file of tokens.
std::string token_line(const std::string& tokens, const std::string& role) {
  const std::size_t begin = tokens.find(role + " ");
  return tokens.substr(begin, tokens.find('\n', begin) + 1 - begin);
}

void write_secret(const fs::path& path, const std::string& content) {
  write_file(path, content);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

TEST(Tokens, GiveEachRoleItsCallsAndNoMore) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2);
  const std::string tokens = read_file(place / "coordinator/tokens");
  write_secret(place / "observer", token_line(tokens, "observer"));
  const std::string admin = token_line(tokens, "admin");
  write_secret(place / "disguised",
               "admin " + token_line(tokens, "observer").substr(std::string("observer ").size()));
  write_secret(place / "invented", "admin " + std::string(64, 'a') + "\n");
  const auto as = [&](const std::string& file, const std::string& verb, const Words& words) {
    return ctl(place, verb, Words{"--token-file", file} + words);
  };

  EXPECT_EQ(as("observer", "status", {}).code, 0);
  const Ended without = as("observer", "set-budget", {"--total", "5"});
  const Ended disguised = as("disguised", "set-budget", {"--total", "5"});
  const Ended invented = as("invented", "set-budget", {"--total", "5"});
  const json status = status_of(place).value();

  EXPECT_EQ(without.code, 78) << without.output;
  EXPECT_THAT(without.output, HasSubstr("no token of role admin"));
  EXPECT_EQ(disguised.code, 77) << disguised.output;
  EXPECT_THAT(disguised.output, HasSubstr("observer"));
  EXPECT_EQ(invented.code, 77) << invented.output;
  EXPECT_THAT(invented.output, HasSubstr("token"));
  EXPECT_EQ(status["refusals"]["role"], 1);
  EXPECT_EQ(status["refusals"]["bad_token"], 1);
  EXPECT_EQ(status["budget"]["planned"].size(), 0U);
}

TEST(Tokens, AreNotReadFromAFileThatOthersCanRead) {
  const Workplace place;
  CoordinatorProcess coordinator(place, 2);
  EXPECT_EQ(fs::status(place / "coordinator/tokens").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);

  fs::permissions(place / "coordinator/tokens", fs::perms::group_read, fs::perm_options::add);
  const Ended open = ctl(place, "status");

  EXPECT_EQ(open.code, 78) << open.output;
  EXPECT_THAT(open.output, HasSubstr("chmod 600"));
}

TEST(Coordinator, DoesNotListenToTheWorldWithoutASecretUnlessItIsToldTo) {
  const Workplace place;

  CoordinatorProcess coordinator(place, 1,
                                 {"coordinator.listen=0.0.0.0:0", "coordinator.insecure=true"});

  EXPECT_TRUE(coordinator.has_said("WARNING"));
}

class Certificates : public testing::Test {
 protected:
  Certificates() {
    const Ended made = place.softmoe({"coordinator", "certs", "--to", "certs", "--run", "mine",
                                      "--world", "2", "--host", "127.0.0.1"});
    EXPECT_EQ(made.code, 0) << made.output;
    const Ended foreign = place.softmoe({"coordinator", "certs", "--to", "foreign", "--run", "mine",
                                         "--world", "2", "--host", "127.0.0.1"});
    EXPECT_EQ(foreign.code, 0) << foreign.output;
  }

  static Words config(const std::string& name) {
    return {"run.id=mine", "training.steps=100000", "coordinator.tls.ca_file=certs/ca.pem",
            "coordinator.tls.certificate_file=certs/" + name + ".pem",
            "coordinator.tls.key_file=certs/" + name + ".key"};
  }
  [[nodiscard]] Ended as(const std::string& folder, const std::string& who, const std::string& verb,
                         const Words& words = {}) const {
    return ctl(place, verb,
               Words{"--ca", folder + "/ca.pem", "--certificate", folder + "/" + who + ".pem",
                     "--key", folder + "/" + who + ".key"} +
                   words);
  }

  Workplace place;
};

TEST_F(Certificates, CarryARunAndGiveEachRoleItsCalls) {
  CoordinatorProcess coordinator(place, 2, config("coordinator"));
  RunningProgram run(supervised_train(place, 2, "run", config("rank-{rank}")), 120s);
  const auto deadline = std::chrono::steady_clock::now() + 90s;
  json status;
  do {
    const Ended seen = as("certs", "observer", "status", {"--json"});
    ASSERT_EQ(seen.code, 0) << seen.output;
    status = json::parse(seen.output);
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << status.dump(2);
  } while (status["last_record"] < 5 || status["ranks"][1]["state"] != "alive");

  const Ended observer = as("certs", "observer", "set-budget", {"--total", "5"});
  const Ended rank = as("certs", "rank-0", "set-budget", {"--total", "5"});
  const Ended foreign = as("foreign", "admin", "set-budget", {"--total", "5"});
  const Ended wrong_ca = ctl(place, "status",
                             {"--ca", "foreign/ca.pem", "--certificate", "certs/observer.pem",
                              "--key", "certs/observer.key"});
  const Ended none = ctl(place, "status", {"--insecure"});
  const Ended admin = as("certs", "admin", "drain", {"--yes"});

  EXPECT_EQ(observer.code, 77) << observer.output;
  EXPECT_EQ(rank.code, 77) << rank.output;
  // Who is not let in at all learns no more than that.
  EXPECT_EQ(foreign.code, 75) << foreign.output;
  EXPECT_EQ(wrong_ca.code, 78) << wrong_ca.output;
  EXPECT_EQ(none.code, 75) << none.output;
  EXPECT_EQ(admin.code, 0) << admin.output;
  const Ended trained = run.wait();
  EXPECT_EQ(trained.code, 75) << trained.output;
  EXPECT_THAT(trained.output, HasSubstr("stopped after step"));
}

TEST_F(Certificates, CarryACoordinatorThatIsEmbeddedInRankZero) {
  RunningProgram run(place.by_mpirun(2, Words{"train", "-c", "config.yaml", "run.folder=run"} +
                                            config("rank-{rank}")),
                     60s);
  const auto deadline = std::chrono::steady_clock::now() + 90s;
  json status;
  do {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << status.dump(2);
    const Ended seen =
        place.softmoe({"ctl", "status", "run", "--json", "--ca", "certs/ca.pem", "--certificate",
                       "certs/observer.pem", "--key", "certs/observer.key"});
    if (seen.code == 0) status = json::parse(seen.output);
  } while (status.is_null() || status["last_record"] < 5 || status["ranks"][1]["state"] != "alive");

  const Ended drained =
      place.softmoe({"ctl", "drain", "run", "--yes", "--ca", "certs/ca.pem", "--certificate",
                     "certs/admin.pem", "--key", "certs/admin.key"});

  EXPECT_EQ(drained.code, 0) << drained.output;
  EXPECT_EQ(run.wait().code, 75);
}

TEST_F(Certificates, AreNotMadeOverOthers) {
  const Ended again = place.softmoe({"coordinator", "certs", "--to", "certs", "--run", "mine",
                                     "--world", "2", "--host", "127.0.0.1"});

  EXPECT_EQ(again.code, 78);
  EXPECT_THAT(again.output, HasSubstr("holds the certificates of a run already"));
}

}  // namespace
}  // namespace softmoe::test
