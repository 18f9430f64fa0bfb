#include "coordinator/call_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "coordinator/control_client.h"
#include "coordinator/server.h"
#include "coordinator/wire.h"
#include "tests/unit/coordinator_wire/fake_coordinator.h"
#include "tests/unit/coordinator_wire/raw_call.h"
#include "tests/unit/coordinator_wire/refused_matcher.h"

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

TEST(CallCounts, AreOfEveryCallThatAServerAnswersRefusedOnesToo) {
  FakeCoordinator fake;
  const CoordinatorConfig config;
  const Tokens tokens = draw_tokens();
  const Server server(fake.handlers(),
                      Server::Options{.config = config, .run_id = "run", .tokens = tokens});
  const auto channel = plain_channel(server.address());
  const std::string status = encode(StatusRequest{});
  const auto as = [&](const std::string& token) {
    return std::multimap<std::string, std::string>{{"authorization", "Bearer " + token}};
  };

  ControlClient admin(Endpoint{.address = server.address(), .token = tokens.admin});
  (void)admin.status();
  (void)admin.status();
  (void)raw_call(channel, path_of("GetStatus"), status, as("none"));
  (void)raw_call(channel, path_of("GetStatus"), "\xff\xff", as(*tokens.admin));
  (void)raw_call(channel, path_of("MakeRequest"), status, as(*tokens.observer));
  (void)raw_call(channel, path_of("Elsewhere"), status, as(*tokens.admin));
  (void)raw_call(channel, path_of("Register"), std::string(3'000'000, 'x'),
                 {{"authorization", "Bearer " + *tokens.rank}, {"softmoe-rank", "0"}});

  const AllCallTotals totals = server.calls();
  const auto count = [&](Method method, grpc::StatusCode code) {
    return of(totals, method).by_code[static_cast<std::size_t>(code)];
  };
  EXPECT_EQ(count(Method::status, grpc::StatusCode::OK), 2);
  EXPECT_EQ(count(Method::status, grpc::StatusCode::UNAUTHENTICATED), 1);
  EXPECT_EQ(count(Method::status, grpc::StatusCode::INVALID_ARGUMENT), 1);
  EXPECT_EQ(count(Method::request, grpc::StatusCode::PERMISSION_DENIED), 1);
  EXPECT_EQ(count(Method::register_rank, grpc::StatusCode::RESOURCE_EXHAUSTED), 1);
  EXPECT_EQ(totals.back().by_code[kCodeUnimplemented], 1);
  EXPECT_EQ(sum_of(of(totals, Method::status).by_code), 4);
  EXPECT_EQ(sum_of(of(totals, Method::status).by_seconds), 4);
  EXPECT_GT(of(totals, Method::status).seconds, 0);
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
