#include "runtime/metrics/http_server.h"

#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "runtime/base/errors.h"
#include "tests/support/patience.h"
#include "tests/unit/runtime_metrics/counts_soon.h"
#include "tests/unit/runtime_metrics/raw_client.h"

namespace softmoe::metrics {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

HttpServer::Handler says(std::string text) {
  return [body = std::make_shared<const std::string>(std::move(text))] {
    return HttpPage{.body = body};
  };
}

HttpServer::Options with_pages() {
  HttpServer::Options options;
  options.pages["/metrics"] = says("numbers\n");
  options.pages["/other"] = says("other\n");
  options.pages["/empty"] = [] { return HttpPage{}; };
  options.pages["/no"] = [] { return HttpPage{.status = 503}; };
  options.pages["/throws"] = []() -> HttpPage { throw std::runtime_error("secret"); };
  options.pages["/throws_more"] = []() -> HttpPage { throw 7; };
  return options;
}

TEST(HttpServer, AnswersAGetOfAKnownPath) {
  const HttpServer server(with_pages());

  EXPECT_EQ(get(server.address(), "/metrics"),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 8\r\n"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Connection: close\r\n\r\n"
            "numbers\n");
  EXPECT_EQ(body_of(get(server.address(), "/other?a=b&c=/metrics")), "other\n");
  EXPECT_TRUE(server.is_loopback());
  EXPECT_TRUE(counts_soon(server, {.served = 2, .refused = 0}));
}

TEST(HttpServer, AnswersAHeadWithTheLengthAlone) {
  const HttpServer server(with_pages());

  const std::string reply =
      say(server.address(), "HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(body_of(reply), IsEmpty());
}

TEST(HttpServer, AnswersAPageWithoutABody) {
  const HttpServer server(with_pages());

  const std::string reply = get(server.address(), "/empty");

  EXPECT_EQ(status_of(reply), 200);
  EXPECT_THAT(reply, HasSubstr("Content-Length: 0\r\n"));
}

TEST(HttpServer, RefusesWhatItDoesNotKnow) {
  const HttpServer server(with_pages());

  for (const char* path : {"/", "/metrics/", "/Metrics", "//metrics", "/metrics%20", "/%6detrics",
                           "/../metrics", "*", "http://a/metrics", "/metrics#a", "/metrics;a"}) {
    EXPECT_EQ(status_of(get(server.address(), path)), 404) << path;
  }
  EXPECT_TRUE(counts_soon(server, {.served = 0, .refused = 11}));
}

TEST(HttpServer, RefusesEveryThingElseByItsStatus) {
  const HttpServer server(with_pages());
  const std::map<std::string, int> statuses = {
      {"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405},
      {"DELETE /metrics HTTP/1.1\r\n\r\n", 405},
      {"GET /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 413},
      {"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413},
      {"GET /metrics HTTP/2.0\r\n\r\n", 400},
      {"GET /metrics\r\n\r\n", 400},
      {"\x16\x03\x01\x02", 400},
      {"GET /" + std::string(9000, 'a'), 414},
      {"GET / HTTP/1.1\r\nA: " + std::string(9000, 'a'), 431}};

  for (const auto& [request, status] : statuses) {
    const std::string reply = say(server.address(), request);
    EXPECT_EQ(status_of(reply), status) << request.substr(0, 60);
    EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  }
  EXPECT_THAT(say(server.address(), "PUT / HTTP/1.1\r\n\r\n"), HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_TRUE(counts_soon(server, {.served = 0, .refused = 10}));
}

TEST(HttpServer, TellsTheRefusalToAClientThatGoesOnSending) {
  const HttpServer server(with_pages());
  RawClient client(server.address());

  client.send("POST /metrics HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" +
              std::string(100000, 'a'));

  EXPECT_EQ(status_of(client.receive_all()), 405);
}

TEST(HttpServer, TakesNothingForARequestThatFollowsARefusal) {
  const HttpServer server(with_pages());

  const std::string reply = say(server.address(),
                                "GET /other HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "0\r\n\r\nGET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");

  EXPECT_EQ(status_of(reply), 413);
  EXPECT_THAT(reply, Not(HasSubstr("numbers")));
}

TEST(HttpServer, TurnsAHandlersExceptionInto500) {
  const HttpServer server(with_pages());

  EXPECT_EQ(status_of(get(server.address(), "/throws")), 500);
  EXPECT_EQ(status_of(get(server.address(), "/throws_more")), 500);
  EXPECT_THAT(get(server.address(), "/throws"), Not(HasSubstr("secret")));
  EXPECT_EQ(status_of(get(server.address(), "/no")), 503);
  EXPECT_EQ(status_of(get(server.address(), "/metrics")), 200);
  EXPECT_TRUE(counts_soon(server, {.served = 1, .refused = 4}));
}

TEST(HttpServer, NamesNeitherItselfNorItsMachine) {
  const HttpServer server(with_pages());

  for (const char* path : {"/metrics", "/none"}) {
    const std::string reply = get(server.address(), path);
    EXPECT_THAT(reply, AllOf(Not(HasSubstr("Server:")), Not(HasSubstr("softmoe")),
                             Not(HasSubstr("Beast")), Not(HasSubstr("127.0.0.1"))));
  }
}

TEST(HttpServer, KeepsAConnectionForMoreRequests) {
  const HttpServer server(with_pages());
  RawClient client(server.address());

  for (int i = 0; i < 100; ++i) {
    client.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string reply = client.receive_until("numbers\n");
    EXPECT_THAT(reply, HasSubstr("Connection: keep-alive\r\n"));
  }
  client.send("GET /nothing HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_of(client.receive_until("Not Found\n")), 404);
  client.send("GET /metrics HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.receive_all(), HasSubstr("Connection: close\r\n"));

  EXPECT_TRUE(counts_soon(server, {.served = 101, .refused = 1}));
}

TEST(HttpServer, AnswersRequestsThatComeAtOnceInTheirOrder) {
  const HttpServer server(with_pages());
  std::string requests;
  for (int i = 0; i < 2000; ++i) {
    requests += i % 2 == 0 ? "GET /metrics HTTP/1.1\r\n\r\n" : "HEAD /other HTTP/1.1\r\n\r\n";
  }
  requests += "GET /other HTTP/1.1\r\nConnection: close\r\n\r\n";

  const std::string replies = say(server.address(), requests);

  std::size_t numbers = 0;
  for (std::size_t at = replies.find("numbers\n"); at != std::string::npos;
       at = replies.find("numbers\n", at + 1))
    ++numbers;
  EXPECT_EQ(numbers, 1000);
  EXPECT_TRUE(replies.ends_with("\r\n\r\nother\n"));
  EXPECT_TRUE(counts_soon(server, {.served = 2001, .refused = 0}));
}

TEST(HttpServer, AnswersAClientThatHasNothingMoreToSay) {
  const HttpServer server(with_pages());
  RawClient client(server.address());

  client.send("GET /metrics HTTP/1.1\r\n\r\n");
  client.finish_sending();

  EXPECT_EQ(body_of(client.receive_all()), "numbers\n");
}

TEST(HttpServer, AnswersARequestThatComesByteByByte) {
  const HttpServer server(with_pages());
  RawClient client(server.address());

  for (const char byte : std::string("GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")) {
    ASSERT_TRUE(client.send(std::string(1, byte)));
  }

  EXPECT_EQ(body_of(client.receive_all()), "numbers\n");
}

TEST(HttpServer, IsReachedOnVersionSixToo) {
  HttpServer::Options options = with_pages();
  options.listen = "[::1]:0";
  std::unique_ptr<HttpServer> server;
  try {
    server = std::make_unique<HttpServer>(options);
  } catch (const ConfigError& error) {
    GTEST_SKIP() << "this machine has no [::1], load the ipv6 module: " << error.what();
  }

  EXPECT_EQ(body_of(get(server->address(), "/metrics")), "numbers\n");
}

TEST(HttpServer, CannotListenWhereAnotherDoes) {
  const HttpServer server(with_pages());
  HttpServer::Options options = with_pages();
  options.listen = server.address();

  EXPECT_THROW(HttpServer{options}, ConfigError);
  EXPECT_EQ(status_of(get(server.address(), "/metrics")), 200);
}

TEST(HttpServer, ListensAgainWhereOneWas) {
  HttpServer::Options options = with_pages();
  for (int round = 0; round < 5; ++round) {
    const HttpServer server(options);
    options.listen = server.address();

    EXPECT_EQ(status_of(get(server.address(), "/metrics")), 200);
  }
}

TEST(HttpServer, IsNotMadeOutOfNonsense) {
  const auto refuses = [](auto spoil) {
    HttpServer::Options options = with_pages();
    spoil(options);
    EXPECT_THROW(HttpServer{options}, InvalidArgument);
  };
  refuses([](HttpServer::Options& options) { options.max_connections = 0; });
  refuses([](HttpServer::Options& options) { options.max_request_bytes = 63; });
  refuses([](HttpServer::Options& options) { options.max_request_bytes = 32769; });
  refuses([](HttpServer::Options& options) { options.patience = 0ms; });
  refuses([](HttpServer::Options& options) { options.idle = -1ms; });
  refuses([](HttpServer::Options& options) { options.pages["metrics"] = says(""); });
  refuses([](HttpServer::Options& options) { options.pages["/null"] = nullptr; });
}

}  // namespace
}  // namespace softmoe::metrics
