#include "coordinator/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "coordinator/control_client.h"
#include "coordinator/coordinator.grpc.pb.h"
#include "coordinator/wire.h"
#include "runtime/base/errors.h"
#include "tests/unit/coordinator_wire/fake_coordinator.h"
#include "tests/unit/coordinator_wire/random_message.h"
#include "tests/unit/coordinator_wire/raw_call.h"
#include "tests/unit/coordinator_wire/refused_matcher.h"

namespace softmoe::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::StartsWith;
using testing::Throws;

template <class Words>
auto IsConfigError(Words words) {
  return Throws<ConfigError>(Property(&ConfigError::what, words));
}

/// A server of a fake coordinator on loopback, with a token for each role.
class CoordinatorServer : public testing::Test {
 protected:
  void serve() {
    server_ = std::make_unique<Server>(
        fake_.handlers(), Server::Options{.config = config_, .run_id = "run", .tokens = tokens_});
  }

  Endpoint endpoint(const std::optional<std::string>& token) const {
    return {.address = server_->address(), .token = token};
  }

  /// A heartbeat of rank 0, as rank 0's own words.
  RawReply call_as_rank(const std::string& method, const std::string& bytes,
                        const std::string& rank = "0") {
    return raw_call(plain_channel(server_->address()), path_of(method), bytes,
                    {{"authorization", "Bearer " + tokens_->rank.value()}, {"softmoe-rank", rank}});
  }

  static std::string heartbeat_of(int rank) {
    return encode(Heartbeat{.run_id = "run",
                            .process = {.rank = Rank{rank}, .incarnation = 1},
                            .term = 1,
                            .place = {}});
  }

  CoordinatorConfig config_;
  FakeCoordinator fake_;
  std::optional<Tokens> tokens_ = draw_tokens();
  std::unique_ptr<Server> server_;
};

TEST_F(CoordinatorServer, AnswersPeopleByTheirRoles) {
  serve();
  ControlClient admin(endpoint(tokens_->admin));
  ControlClient observer(endpoint(tokens_->observer));

  EXPECT_EQ(admin.status().term, 1);
  EXPECT_EQ(observer.status().term, 1);
  const ChangeReply reply = admin.change({.budget = 12.5});
  EXPECT_EQ(reply.change.effective_from, Step{7});
  EXPECT_THAT(reply.replaced, testing::ElementsAre(3));
  EXPECT_EQ(fake_.orders_.at(0).budget, 12.5);
  EXPECT_EQ(admin.request(budget::Request::drain).request, budget::Request::drain);
}

TEST_F(CoordinatorServer, RefusesWhatARoleMayNotDo) {
  serve();
  for (const auto& token : {tokens_->observer, tokens_->rank}) {
    ControlClient client(endpoint(token));
    EXPECT_THAT([&] { static_cast<void>(client.change({.budget = 1.0})); },
                IsRefused(Reason::role, HasSubstr("may not call ChangeSetPoints")));
    EXPECT_THAT([&] { static_cast<void>(client.request(budget::Request::stop)); },
                IsRefused(Reason::role));
  }
  ControlClient rank(endpoint(tokens_->rank));
  EXPECT_THAT([&] { static_cast<void>(rank.status()); }, IsRefused(Reason::role));

  // An admin is no rank.
  const auto reply =
      raw_call(plain_channel(server_->address()), path_of("SendHeartbeat"), heartbeat_of(0),
               {{"authorization", "Bearer " + tokens_->admin.value()}, {"softmoe-rank", "0"}});
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(reply.reason, Reason::role);
  EXPECT_EQ(fake_.refusals_[Reason::role], 6);
  EXPECT_TRUE(fake_.orders_.empty());
}

TEST_F(CoordinatorServer, RefusesCallersWithoutAToken) {
  serve();
  const Tokens others = draw_tokens();
  for (const auto& token : {std::optional<std::string>(), others.admin,
                            std::optional<std::string>(tokens_->admin->substr(1)),
                            std::optional<std::string>(*tokens_->admin + "0")}) {
    ControlClient client(endpoint(token));
    EXPECT_THAT([&] { static_cast<void>(client.status()); }, IsRefused(Reason::bad_token));
  }
  EXPECT_EQ(fake_.num_status_, 0);
  EXPECT_EQ(fake_.refusals_[Reason::bad_token], 4);
}

TEST_F(CoordinatorServer, HoldsARankToItself) {
  serve();
  EXPECT_TRUE(call_as_rank("SendHeartbeat", heartbeat_of(3), "3").status.ok());

  const auto reply = call_as_rank("SendHeartbeat", heartbeat_of(3), "2");
  EXPECT_EQ(reply.reason, Reason::role);
  EXPECT_THAT(reply.status.error_message(),
              HasSubstr("rank 2 calls, and its message is of rank 3"));
  for (const std::string rank : {"", "-1", "x", "99999999999"})
    EXPECT_EQ(call_as_rank("SendHeartbeat", heartbeat_of(3), rank).reason, Reason::malformed);
}

TEST_F(CoordinatorServer, RefusesBytesThatAreNoMessage) {
  serve();
  const auto reply = call_as_rank("SendHeartbeat", "\xff\xff garbage");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(reply.reason, Reason::malformed);
  EXPECT_EQ(call_as_rank("Register", heartbeat_of(0)).reason, Reason::malformed);
  EXPECT_EQ(call_as_rank("SendHeartbeat", "").reason, Reason::version);
  EXPECT_EQ(call_as_rank("NoSuchCall", "").status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(call_as_rank("SendHeartbeat", heartbeat_of(0)).status.ok());
  EXPECT_EQ(fake_.heartbeats_.size(), 1U);
}

TEST_F(CoordinatorServer, RefusesLargeMessagesBeforeItDecodesThem) {
  config_.max_message_bytes = 100'000;
  serve();
  // None of these bytes is a message; that is not what they are refused for.
  const auto size = [&](const std::string& method, std::size_t bytes) {
    return call_as_rank(method, std::string(bytes, '\xff'));
  };

  EXPECT_EQ(size("ReportRecords", 100'000).reason, Reason::malformed);
  EXPECT_EQ(size("ReportRecords", 100'001).reason, Reason::too_large);
  EXPECT_EQ(size("SendHeartbeat", 20'000).reason, Reason::too_large);
  // Beyond what the library takes in.
  const auto huge = size("ReportRecords", 30 << 20);
  EXPECT_FALSE(huge.status.ok());
  EXPECT_EQ(huge.reason.value_or(Reason::too_large), Reason::too_large);
  EXPECT_TRUE(call_as_rank("SendHeartbeat", heartbeat_of(0)).status.ok());
}

TEST_F(CoordinatorServer, LimitsTheRateOfEachCaller) {
  config_.max_calls_per_second = 1.0;  // and ten at once
  serve();
  int num_refused = 0;
  for (int i = 0; i < 20; ++i) {
    const auto reply = call_as_rank("SendHeartbeat", heartbeat_of(0));
    if (reply.reason == Reason::too_often) ++num_refused;
  }

  EXPECT_GE(num_refused, 5);
  EXPECT_LE(num_refused, 10);
  EXPECT_EQ(fake_.refusals_[Reason::too_often], num_refused);
  EXPECT_TRUE(call_as_rank("SendHeartbeat", heartbeat_of(1), "1").status.ok());
}

TEST_F(CoordinatorServer, CarriesARefusalWithItsReasonAndWords) {
  const std::string words = "budget 99 is above 12; ask for 12 or less – \"λ\"\n";
  auto handlers = fake_.handlers();
  for (int i = 0; i < kNumReasons; ++i) {
    handlers.change = [&](const ChangeOrder&) -> ChangeReply {
      throw Refused(static_cast<Reason>(i), words);
    };
    const Server server(handlers, {.config = config_, .run_id = "run", .tokens = tokens_});
    ControlClient admin({.address = server.address(), .token = tokens_->admin});

    EXPECT_THAT([&] { static_cast<void>(admin.change({})); },
                IsRefused(static_cast<Reason>(i), testing::Eq(words)));
  }
}

TEST_F(CoordinatorServer, KeepsTheWordsOfItsOwnFailuresForItsLog) {
  auto handlers = fake_.handlers();
  handlers.status = []() -> Status {
    throw StorageError(StorageError::Kind::io, "cannot read '/secret/place'");
  };
  std::vector<std::string> lines;
  const Server server(handlers, {.config = config_,
                                 .run_id = "run",
                                 .tokens = tokens_,
                                 .log = [&](const auto& line) { lines.push_back(line); }});
  ControlClient admin({.address = server.address(), .token = tokens_->admin});

  EXPECT_THAT([&] { static_cast<void>(admin.status()); },
              Throws<CommError>(Property(&CommError::what, testing::Not(HasSubstr("secret")))));
  EXPECT_THAT(lines, testing::ElementsAre(HasSubstr("cannot read '/secret/place'")));
}

TEST_F(CoordinatorServer, SaysWhyItCannotListen) {
  serve();
  config_.listen = server_->address();
  EXPECT_THAT([&] { serve(); },
              IsConfigError(AllOf(HasSubstr(config_.listen), HasSubstr("in use"))));
  config_.listen = "203.0.113.7:0";
  EXPECT_THAT([&] { serve(); }, IsConfigError(HasSubstr("assign requested address")));
  config_.listen = "no-such-host.invalid:0";
  EXPECT_THAT([&] { serve(); }, IsConfigError(HasSubstr("no-such-host.invalid")));
}

TEST_F(CoordinatorServer, AsksForProofOffLoopback) {
  tokens_.reset();
  config_.listen = "0.0.0.0:0";
  EXPECT_THAT([&] { serve(); }, IsConfigError(HasSubstr("coordinator.insecure")));

  config_.insecure = true;
  serve();
  EXPECT_THAT(server_->warning(), HasSubstr("callers prove nothing"));
  EXPECT_THAT(server_->address(), testing::Not(StartsWith("0.0.0.0")));

  tokens_ = draw_tokens();
  serve();
  EXPECT_THAT(server_->warning(), HasSubstr("tokens"));
  config_.listen = "127.0.0.1:0";
  serve();
  EXPECT_EQ(server_->warning(), "");
}

TEST_F(CoordinatorServer, LetsAnybodyInWhereNothingHasToBeProved) {
  tokens_.reset();
  serve();
  ControlClient client(endpoint(std::nullopt));

  EXPECT_EQ(client.request(budget::Request::save).number, 1);
  EXPECT_NE(server_->warning(), "");
}

TEST_F(CoordinatorServer, ServesItsOwnProcessWithoutANetwork) {
  serve();
  ControlClient client({.in_process = server_.get()});

  EXPECT_EQ(client.status().term, 1);
  EXPECT_EQ(client.request(budget::Request::save).number, 1);
}

TEST_F(CoordinatorServer, LooksAFewTimesASecond) {
  serve();
  EXPECT_TRUE(fake_.wait_for([](const auto& fake) { return fake.num_looks_ >= 3; }));
}

TEST_F(CoordinatorServer, UnderstandsTheGeneratedClient) {
  serve();
  const auto stub = v1::Coordinator::NewStub(plain_channel(server_->address()));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + tokens_->admin.value());
  v1::MakeRequestRequest request;
  request.set_protocol(kProtocol);
  request.set_request(v1::REQUEST_DRAIN);
  v1::MakeRequestReply reply;

  ASSERT_TRUE(stub->MakeRequest(&context, request, &reply).ok());
  EXPECT_EQ(reply.request().request(), v1::REQUEST_DRAIN);
}

TEST_F(CoordinatorServer, EndsWhileCallersWaitForIt) {
  std::atomic<bool> is_inside = false;
  auto handlers = fake_.handlers();
  handlers.status = [&]() -> Status {
    is_inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    throw Refused(Reason::not_in_this_mode, "late");
  };
  auto server = std::make_unique<Server>(
      handlers, Server::Options{.config = config_, .run_id = "run", .tokens = tokens_});
  ControlClient admin({.address = server->address(), .token = tokens_->admin});
  std::thread caller([&] { EXPECT_ANY_THROW(static_cast<void>(admin.status())); });
  while (!is_inside) std::this_thread::yield();

  server.reset();

  caller.join();
}

TEST_F(CoordinatorServer, IsMissedInWords) {
  serve();
  const std::string address = server_->address();
  server_.reset();
  ControlClient client({.address = address});

  EXPECT_THAT([&] { static_cast<void>(client.status()); },
              Throws<CommError>(Property(
                  &CommError::what, AllOf(HasSubstr(address), HasSubstr("cannot be reached")))));
}

}  // namespace
}  // namespace softmoe::coordinator
