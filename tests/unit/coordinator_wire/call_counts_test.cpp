#include "coordinator/call_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "coordinator/server.h"
#include "coordinator/wire.h"
#include "tests/unit/coordinator_wire/fake_coordinator.h"
#include "tests/unit/coordinator_wire/raw_call.h"

namespace softmoe::coordinator {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

std::int64_t sum_of(const auto& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

const CallTotals& of(const AllCallTotals& totals, Method method) {
  return totals[static_cast<std::size_t>(method)];
}

TEST(CallCounts, PutADurationIntoTheClassWhoseBoundItDoesNotExceed) {
  CallCounts counts;

  counts.note(&rules_of(Method::status), kCodeOk, microseconds(100));
  counts.note(&rules_of(Method::status), kCodeOk, microseconds(101));
  counts.note(&rules_of(Method::status), kCodeOk, seconds(10));
  counts.note(&rules_of(Method::status), kCodeOk, seconds(11));

  const CallTotals status = of(counts.totals(), Method::status);
  EXPECT_EQ(status.by_seconds.front(), 1);
  EXPECT_EQ(status.by_seconds[1], 1);
  EXPECT_EQ(status.by_seconds[kCallSeconds.size() - 1], 1);
  EXPECT_EQ(status.by_seconds.back(), 1);
  EXPECT_DOUBLE_EQ(status.seconds, 21.000201);
}

TEST(CallCounts, HaveAPlaceForEveryMethodAndCode) {
  CallCounts counts;

  counts.note(nullptr, kCodeUnimplemented, microseconds(1));
  counts.note(&rules_of(Method::request), 99, microseconds(1));
  counts.note(&rules_of(Method::request), -1, microseconds(1));

  const AllCallTotals totals = counts.totals();
  EXPECT_EQ(totals.back().by_code[kCodeUnimplemented], 1);
  EXPECT_EQ(counted_name(totals.size() - 1), "unknown");
  EXPECT_EQ(of(totals, Method::request).by_code[2], 2);
  EXPECT_EQ(counted_name(static_cast<std::size_t>(Method::request)), "MakeRequest");
}

TEST(CallCounts, LoseNothingBetweenThreads) {
  CallCounts counts;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) {
        counts.note(&rules_of(Method::heartbeat), kCodeOk, microseconds(1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(of(counts.totals(), Method::heartbeat).by_code[kCodeOk], 40'000);
  EXPECT_EQ(sum_of(of(counts.totals(), Method::heartbeat).by_seconds), 40'000);
}

class CallCountsOfAServer : public testing::Test {
 protected:
  RawReply call(const std::string& method, const std::string& bytes, const std::string& token,
                const std::string& rank = "0") {
    return raw_call(channel_, path_of(method), bytes,
                    {{"authorization", "Bearer " + token}, {"softmoe-rank", rank}});
  }
  [[nodiscard]] std::int64_t count(Method method, grpc::StatusCode code) const {
    return of(server_.calls(), method).by_code[static_cast<std::size_t>(code)];
  }

  FakeCoordinator fake_;
  CoordinatorConfig config_;
  Tokens tokens_ = draw_tokens();
  Server server_{fake_.handlers(),
                 Server::Options{.config = config_, .run_id = "run", .tokens = tokens_}};
  std::shared_ptr<grpc::Channel> channel_ = plain_channel(server_.address());
};

TEST_F(CallCountsOfAServer, AreOfEveryCallThatItAnswersRefusedOnesToo) {
  const std::string status = encode(StatusRequest{});

  (void)call("GetStatus", status, *tokens_.admin);
  (void)call("GetStatus", status, *tokens_.observer);
  (void)call("GetStatus", status, "none");
  (void)call("GetStatus", "\xff\xff", *tokens_.admin);
  (void)call("MakeRequest", status, *tokens_.observer);
  (void)call("Elsewhere", status, *tokens_.admin);
  (void)call("Register", std::string(1'500'000, 'x'), *tokens_.rank);

  EXPECT_EQ(count(Method::status, grpc::StatusCode::OK), 2);
  EXPECT_EQ(count(Method::status, grpc::StatusCode::UNAUTHENTICATED), 1);
  EXPECT_EQ(count(Method::status, grpc::StatusCode::INVALID_ARGUMENT), 1);
  EXPECT_EQ(count(Method::request, grpc::StatusCode::PERMISSION_DENIED), 1);
  EXPECT_EQ(count(Method::register_rank, grpc::StatusCode::RESOURCE_EXHAUSTED), 1);
  const AllCallTotals totals = server_.calls();
  EXPECT_EQ(totals.back().by_code[kCodeUnimplemented], 1);
  EXPECT_EQ(sum_of(of(totals, Method::status).by_code), 4);
  EXPECT_EQ(sum_of(of(totals, Method::status).by_seconds), 4);
  EXPECT_GT(of(totals, Method::status).seconds, 0);
}

// Of a message beyond every limit the library tells the caller first, and the service then.
TEST_F(CallCountsOfAServer, HaveTheCallsThatTheLibraryRefusesSoonAfter) {
  (void)call("Register", std::string(3'000'000, 'x'), *tokens_.rank);

  const auto deadline = std::chrono::steady_clock::now() + test::patience(seconds(5));
  while (count(Method::register_rank, grpc::StatusCode::RESOURCE_EXHAUSTED) == 0 &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(count(Method::register_rank, grpc::StatusCode::RESOURCE_EXHAUSTED), 1);
}

// The names are those of the library's enumeration.
TEST(CallCounts, NameTheCodesByTheirNumbers) {
  EXPECT_EQ(kCodeNames[grpc::StatusCode::OK], "OK");
  EXPECT_EQ(kCodeNames[grpc::StatusCode::ALREADY_EXISTS], "ALREADY_EXISTS");
  EXPECT_EQ(kCodeNames[grpc::StatusCode::PERMISSION_DENIED], "PERMISSION_DENIED");
  EXPECT_EQ(kCodeNames[grpc::StatusCode::OUT_OF_RANGE], "OUT_OF_RANGE");
  EXPECT_EQ(kCodeNames[grpc::StatusCode::UNIMPLEMENTED], "UNIMPLEMENTED");
  EXPECT_EQ(kCodeNames[grpc::StatusCode::UNAVAILABLE], "UNAVAILABLE");
  EXPECT_EQ(kCodeNames[grpc::StatusCode::UNAUTHENTICATED], "UNAUTHENTICATED");
  EXPECT_EQ(kCodeNames.size(), 17U);
}

}  // namespace
}  // namespace softmoe::coordinator
