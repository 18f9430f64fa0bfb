// What strangers may do to a server's port without harm to anybody else.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coordinator/control_client.h"
#include "coordinator/server_impl.h"
#include "tests/unit/coordinator_wire/fake_coordinator.h"
#include "tests/unit/coordinator_wire/random_message.h"
#include "tests/unit/coordinator_wire/raw_call.h"

namespace softmoe::coordinator {
namespace {

class ServerUnderAbuse : public testing::Test {
 protected:
  ServerUnderAbuse() {
    config_.max_calls_per_second = 1e6;
    server_ = std::make_unique<Server>(
        fake_.handlers(), Server::Options{.config = config_, .run_id = "run", .tokens = tokens_});
  }

  /// Somebody else is still served.
  bool still_serves() {
    ControlClient client({.address = server_->address(),
                          .token = tokens_.admin,
                          .deadline = test::patience(std::chrono::seconds(5))});
    return client.status().term == 1;
  }

  int connect() const {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    const std::string& text = server_->address();
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return descriptor;
  }

  CoordinatorConfig config_;
  FakeCoordinator fake_;
  Tokens tokens_ = draw_tokens();
  std::unique_ptr<Server> server_;
};

TEST_F(ServerUnderAbuse, SurvivesNoiseOnItsPort) {
  RandomMessage random(21);
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (int i = 0; i < 200; ++i) {
    std::string bytes(static_cast<std::size_t>(random.integer(0, 2000)), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.integer(0, 255));
    // Half of them get past the greeting.
    if (i % 2 == 0) bytes = preface + std::string("\0\0\0\4\0\0\0\0\0", 9) + bytes;
    const int descriptor = connect();
    ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(descriptor);
  }
  EXPECT_TRUE(still_serves());
}

TEST_F(ServerUnderAbuse, ServesOthersWhileManyConnectionsSayNothing) {
  std::vector<int> descriptors;
  for (int i = 0; i < 200; ++i) descriptors.push_back(connect());
  EXPECT_TRUE(still_serves());
  for (const int descriptor : descriptors) ::close(descriptor);
}

TEST_F(ServerUnderAbuse, RefusesRandomMessagesOneByOne) {
  const auto channel = plain_channel(server_->address());
  RandomMessage random(22);
  for (int i = 0; i < 500; ++i) {
    std::string bytes(static_cast<std::size_t>(random.integer(0, 500)), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.integer(0, 255));
    const std::string method = std::array{"Register", "SendHeartbeat", "ReportRecords",
                                          "Farewell"}[static_cast<std::size_t>(i % 4)];
    const auto reply =
        raw_call(channel, path_of(method), bytes,
                 {{"authorization", "Bearer " + *tokens_.rank}, {"softmoe-rank", "0"}});
    ASSERT_TRUE(reply.reason == Reason::malformed || reply.reason == Reason::version)
        << reply.status.error_message();
  }
  EXPECT_TRUE(still_serves());
}

TEST_F(ServerUnderAbuse, RefusesMoreMetadataThanItKeeps) {
  const auto reply = raw_call(
      plain_channel(server_->address()), path_of("GetStatus"), "",
      {{"authorization", "Bearer " + *tokens_.admin}, {"padding", std::string(20'000, 'x')}});
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(still_serves());
}

TEST_F(ServerUnderAbuse, FinishesCallsWhoseMessageDoesNotCome) {
  const auto channel = plain_channel(server_->address());
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + test::patience(std::chrono::seconds(5)));
  context.AddMetadata("authorization", "Bearer " + *tokens_.admin);
  const auto call = stub.PrepareCall(&context, path_of("GetStatus"), &queue);
  grpc::Status status;
  call->StartCall(&context);
  call->Finish(&status, &status);
  void* tag = nullptr;
  bool ok = false;

  // Again and again, because the call may not have begun yet.
  const auto in_a_while = Service::Clock::now() + 2 * Service::kPatience;
  grpc::CompletionQueue::NextStatus next = grpc::CompletionQueue::TIMEOUT;
  for (int i = 0; i < 500 && (next == grpc::CompletionQueue::TIMEOUT || tag != &status); ++i) {
    server_->impl().service->look(in_a_while);
    next = queue.AsyncNext(&tag, &ok,
                           std::chrono::system_clock::now() + std::chrono::milliseconds(10));
  }

  EXPECT_EQ(status.error_message(), "the message of the call did not come");
  const CallTotals calls = server_->calls()[static_cast<std::size_t>(Method::status)];
  EXPECT_EQ(calls.by_code[grpc::StatusCode::DEADLINE_EXCEEDED], 1);
  EXPECT_TRUE(still_serves());
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

}  // namespace
}  // namespace softmoe::coordinator
