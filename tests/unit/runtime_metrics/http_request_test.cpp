#include "runtime/metrics/http_request.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/unit/runtime_metrics/random_requests.h"

namespace softmoe::metrics {
namespace {

using State = HttpRequest::State;

constexpr std::size_t kMost = 8192;

HttpRequest parse(std::string_view bytes) {
  return parse_request(bytes, kMost);
}

int refusal(std::string_view bytes) {
  const HttpRequest request = parse(bytes);
  return request.state == State::refused ? request.status : 0;
}

TEST(HttpRequest, IsAGetWithAPath) {
  const std::string bytes = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

  const HttpRequest request = parse(bytes);

  EXPECT_EQ(request.state, State::get);
  EXPECT_EQ(request.path, "/metrics");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(request.size, bytes.size());
}

TEST(HttpRequest, LosesItsQuery) {
  EXPECT_EQ(parse("GET /metrics?name[]=a&x=/b HTTP/1.1\r\n\r\n").path, "/metrics");
  EXPECT_EQ(parse("GET /? HTTP/1.1\r\n\r\n").path, "/");
  EXPECT_EQ(parse("GET /a%2Fb?c?d HTTP/1.1\r\n\r\n").path, "/a%2Fb");
}

TEST(HttpRequest, ObeysConnectionAndVersion) {
  EXPECT_TRUE(parse("HEAD / HTTP/1.1\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(HttpRequest, EndsWhereTheNextBegins) {
  const std::string first = "GET /a HTTP/1.1\r\n\r\n";

  const HttpRequest request = parse(first + "POST /b HTTP/1.1\r\n\r\n");

  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.size, first.size());
}

TEST(HttpRequest, IsIncompleteUntilItsLastByte) {
  const std::string bytes = "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";

  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(parse(bytes.substr(0, size)).state, State::incomplete) << size;
  for (std::size_t searched = 0; searched < bytes.size(); ++searched)
    EXPECT_EQ(parse_request(bytes, kMost, searched).state, State::get) << searched;
}

TEST(HttpRequest, IsNoOtherMethod) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH",
                             "PURGE", "GETS", "Get", "HEADER", "PRI"}) {
    EXPECT_EQ(refusal(std::string(method) + " /metrics HTTP/1.1\r\n\r\n"), 405) << method;
  }
}

TEST(HttpRequest, HasNoBody) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"), 413);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: 99999999999999999\r\n\r\n"), 413);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n"), 413);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 413);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 413);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n"), 413);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").state, State::get);
}

TEST(HttpRequest, LeavesNoDoubtAboutItsLength) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: +0\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nContent-Length:\r\n\r\n"), 400);
  EXPECT_NE(refusal("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
            0);
}

TEST(HttpRequest, IsRefusedWhenItIsNone) {
  for (const char* bytes :
       {"GET /\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n",
        "GET / HTTP/1.9\r\n\r\n", "GET / HTP/1.1\r\n\r\n", "GET / HTTP/11\r\n\r\n",
        "GET\t/ HTTP/1.1\r\n\r\n", "GET HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: empty\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\n\r\n"}) {
    EXPECT_EQ(refusal(bytes), 400) << bytes;
  }
}

TEST(HttpRequest, IsRefusedAtTheFirstByteThatShowsIt) {
  using namespace std::string_literals;
  EXPECT_EQ(refusal("\x16\x03\x01"), 400);  // TLS
  EXPECT_EQ(refusal("\r\nGET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal(" GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\rX"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\n"), 400);
  EXPECT_EQ(refusal("GET /\0"s), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r"), 0);
}

TEST(HttpRequest, MayBeAsLongAsItMayBeAndNoLonger) {
  const std::string begin = "GET / HTTP/1.1\r\nA: ";
  const std::string longest = begin + std::string(kMost - begin.size() - 4, 'a') + "\r\n\r\n";
  ASSERT_EQ(longest.size(), kMost);

  EXPECT_EQ(parse(longest).state, State::get);
  EXPECT_EQ(parse(longest + "GET").state, State::get);
  EXPECT_EQ(parse(longest.substr(0, kMost - 1)).state, State::incomplete);
  EXPECT_EQ(refusal(begin + std::string(kMost, 'a') + "\r\n\r\n"), 431);
  EXPECT_EQ(refusal("GET /" + std::string(kMost, 'a') + " HTTP/1.1\r\n\r\n"), 414);
}

TEST(HttpRequest, MayHaveManyLines) {
  std::string bytes = "GET / HTTP/1.1\r\n";
  while (bytes.size() < kMost - 8) bytes += "A:\r\n";

  EXPECT_EQ(parse(bytes + "\r\n").state, State::get);
}

TEST(HttpRequest, IsTheSameHoweverItsBytesArrive) {
  RandomRequests requests(/*seed=*/11);
  int whole = 0;
  int incomplete = 0;
  for (int trial = 0; trial < 100'000; ++trial) {
    const std::string bytes = requests.next();
    const HttpRequest at_once = parse_request(bytes, 200);
    whole += at_once.state == State::get || at_once.state == State::head ? 1 : 0;
    incomplete += at_once.state == State::incomplete ? 1 : 0;
    EXPECT_LE(at_once.size, std::min<std::size_t>(bytes.size(), 200));

    HttpRequest in_parts;
    std::size_t size = 0;
    std::size_t searched = 0;
    while (in_parts.state == State::incomplete && size < bytes.size()) {
      searched = size;
      size += 1 + requests.below(bytes.size() - size);
      in_parts = parse_request(std::string_view(bytes).substr(0, size), 200, searched);
    }

    ASSERT_EQ(in_parts.state == State::incomplete, at_once.state == State::incomplete) << bytes;
    if (at_once.state == State::refused) continue;
    ASSERT_EQ(in_parts.state, at_once.state) << bytes;
    ASSERT_EQ(in_parts.path, at_once.path) << bytes;
    ASSERT_EQ(in_parts.size, at_once.size) << bytes;
  }
  EXPECT_GT(whole, 5000);
  EXPECT_GT(incomplete, 5000);
}

}  // namespace
}  // namespace softmoe::metrics
