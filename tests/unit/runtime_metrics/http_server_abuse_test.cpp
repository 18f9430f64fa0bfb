#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/metrics/http_server.h"
#include "runtime/metrics/process_numbers.h"
#include "tests/support/patience.h"
#include "tests/unit/runtime_metrics/counts_soon.h"
#include "tests/unit/runtime_metrics/random_requests.h"
#include "tests/unit/runtime_metrics/raw_client.h"

namespace softmoe::metrics {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLargePage = 2'000'000;
constexpr const char* kGet = "GET /metrics HTTP/1.1\r\n\r\n";

HttpServer::Options with_pages() {
  HttpServer::Options options;
  options.patience = 400ms;
  options.pages["/metrics"] = [] {
    return HttpPage{.body = std::make_shared<const std::string>("numbers\n")};
  };
  options.pages["/large"] = [body = std::make_shared<const std::string>(kLargePage, 'n')] {
    return HttpPage{.body = body};
  };
  return options;
}

bool answers(const HttpServer& server) {
  return body_of(get(server.address(), "/metrics")) == "numbers\n";
}

double open_descriptors() {
  return look_up_process().open_fds.value();
}

TEST(HttpServerAbuse, CutsOffWhoFallsSilentAmidARequest) {
  const HttpServer server(with_pages());
  const Clock::time_point begin = Clock::now();
  RawClient client(server.address());

  client.send("GET /metrics HTTP/1.1\r\nHo");

  EXPECT_TRUE(client.is_closed_within(test::patience(5s)));
  EXPECT_GE(Clock::now() - begin, 390ms);
  EXPECT_TRUE(counts_soon(server, {.served = 0, .refused = 1}));
}

TEST(HttpServerAbuse, CutsOffWhoNeverSpeaks) {
  const HttpServer server(with_pages());
  RawClient client(server.address());

  EXPECT_TRUE(client.is_closed_within(test::patience(5s)));
  EXPECT_TRUE(counts_soon(server, {.served = 0, .refused = 0}));
}

TEST(HttpServerAbuse, CutsOffWhoSendsAByteNowAndThen) {
  const HttpServer server(with_pages());
  const Clock::time_point begin = Clock::now();
  RawClient client(server.address());

  client.send("GET /metrics HTTP/1.1\r\nA: ");
  while (client.send("a") && Clock::now() < begin + test::patience(5s))
    std::this_thread::sleep_for(20ms);

  EXPECT_LT(Clock::now() - begin, test::patience(5s));
  EXPECT_TRUE(answers(server));
}

TEST(HttpServerAbuse, GivesTheSecondRequestItsOwnTime) {
  const HttpServer server(with_pages());
  RawClient client(server.address());

  client.send(kGet);
  (void)client.receive_until("numbers\n");
  std::this_thread::sleep_for(600ms);  // longer than patience, less than a connection may idle
  client.send(kGet);
  (void)client.receive_until("numbers\n");
  client.send("GET /met");

  EXPECT_TRUE(client.is_closed_within(test::patience(5s)));
  EXPECT_TRUE(counts_soon(server, {.served = 2, .refused = 1}));
}

TEST(HttpServerAbuse, ClosesWhatIsIdle) {
  HttpServer::Options options = with_pages();
  options.idle = 300ms;
  const HttpServer server(options);
  RawClient client(server.address());

  client.send(kGet);

  EXPECT_TRUE(client.is_closed_within(test::patience(5s)));
  EXPECT_TRUE(counts_soon(server, {.served = 1, .refused = 0}));
}

TEST(HttpServerAbuse, ServesALargePageToWhoTakesIt) {
  const HttpServer server(with_pages());

  EXPECT_TRUE(body_of(get(server.address(), "/large")) == std::string(kLargePage, 'n'));
}

TEST(HttpServerAbuse, CutsOffWhoDoesNotTakeTheReply) {
  const HttpServer server(with_pages());
  const double before = open_descriptors();
  RawClient client(server.address());
  client.shrink_receive_buffer(4096);

  for (int i = 0; i < 10; ++i) client.send("GET /large HTTP/1.1\r\n\r\n");

  const Clock::time_point end = Clock::now() + test::patience(5s);
  while (server.counts().refused == 0 && Clock::now() < end) std::this_thread::sleep_for(5ms);
  EXPECT_GE(server.counts().refused, 1);
  EXPECT_TRUE(answers(server));
  EXPECT_LE(open_descriptors(), before + 2);  // the client's own, and one that is being closed
}

TEST(HttpServerAbuse, CutsOffWhoTakesTheReplyTooSlowly) {
  const HttpServer server(with_pages());
  RawClient client(server.address());
  client.shrink_receive_buffer(4096);
  client.send("GET /large HTTP/1.1\r\nConnection: close\r\n\r\n");

  std::size_t taken = 0;
  const Clock::time_point end = Clock::now() + test::patience(5s);
  while (server.counts().refused == 0 && Clock::now() < end) {
    taken += client.receive(1024, 10ms).size();
    std::this_thread::sleep_for(5ms);
  }

  EXPECT_EQ(server.counts().refused, 1);
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, kLargePage);
}

TEST(HttpServerAbuse, GivesASilentConnectionsPlaceToANewOne) {
  HttpServer::Options options = with_pages();
  options.patience = 60s;
  options.max_connections = 8;
  const HttpServer server(options);
  std::vector<RawClient> silent;
  for (int i = 0; i < 8; ++i) {
    silent.emplace_back(server.address());
    silent.back().send(i % 2 == 0 ? "GET /met" : "");
    std::this_thread::sleep_for(10ms);
  }

  EXPECT_TRUE(answers(server));

  EXPECT_TRUE(silent.front().is_closed_within(test::patience(2s)));
  EXPECT_FALSE(silent.back().is_closed_within(50ms));
}

TEST(HttpServerAbuse, HoldsNoMoreConnectionsThanAllowed) {
  HttpServer::Options options = with_pages();
  options.patience = 60s;
  options.max_connections = 8;
  const HttpServer server(options);
  const double before = open_descriptors();

  std::vector<RawClient> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(server.address());
  EXPECT_TRUE(answers(server));

  EXPECT_LE(open_descriptors(), before + 100 + 8);
}

TEST(HttpServerAbuse, ClosesTheNewOneWhenAllAreBeingAnswered) {
  HttpServer::Options options = with_pages();
  options.patience = 60s;
  options.max_connections = 2;
  const HttpServer server(options);
  std::vector<RawClient> slow;
  for (int i = 0; i < 2; ++i) {
    slow.emplace_back(server.address());
    slow.back().shrink_receive_buffer(4096);
    for (int requests = 0; requests < 8; ++requests)
      slow.back().send("GET /large HTTP/1.1\r\n\r\n");
    (void)slow.back().receive(100, test::patience(5s));
  }

  RawClient late(server.address());

  EXPECT_TRUE(late.is_closed_within(test::patience(5s)));
  EXPECT_FALSE(slow.front().receive(100, test::patience(1s)).empty());
  EXPECT_TRUE(counts_soon(server, {.served = server.counts().served, .refused = 1}));
}

/// Lets the process open one more descriptor and no other, for the life of the object.
class OneDescriptorMore {
 public:
  OneDescriptorMore() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    const rlimit tight{.rlim_cur = static_cast<rlim_t>(next) + 1, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &tight);
  }
  ~OneDescriptorMore() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  OneDescriptorMore(const OneDescriptorMore&) = delete;
  OneDescriptorMore& operator=(const OneDescriptorMore&) = delete;

 private:
  rlimit before_{};
};

double processor_seconds() {
  return look_up_process().cpu_seconds.value();
}

TEST(HttpServerAbuse, WaitsWithoutHasteUntilThereAreDescriptors) {
  const HttpServer server(with_pages());
  const double before = processor_seconds();
  auto limit = std::make_unique<OneDescriptorMore>();
  RawClient client(server.address());
  client.send(kGet);

  const std::string reply_meanwhile = client.receive(1, 1s);
  limit.reset();

  EXPECT_EQ(reply_meanwhile, "");
  EXPECT_LT(processor_seconds() - before, 0.1);
  (void)client.receive_until("numbers\n");
}

TEST(HttpServerAbuse, GivesTheDescriptorOfWhoIsIdleToANewOne) {
  const HttpServer server(with_pages());
  RawClient idle(server.address());
  idle.send(kGet);
  (void)idle.receive_until("numbers\n");
  const OneDescriptorMore limit;

  RawClient client(server.address());
  client.send(kGet);

  (void)client.receive_until("numbers\n");
  EXPECT_TRUE(idle.is_closed_within(test::patience(2s)));
}

TEST(HttpServerAbuse, LetsNoConnectionsDescriptorLeak) {
  const HttpServer server(with_pages());
  const double before = open_descriptors();

  for (int i = 0; i < 300; ++i) {
    RawClient client(server.address());
    client.send(i % 3 == 0 ? kGet : i % 3 == 1 ? "GET /met" : "POST / HTTP/1.1\r\n\r\n");
  }
  EXPECT_TRUE(answers(server));  // so all those before have been let in

  const Clock::time_point end = Clock::now() + test::patience(10s);
  while (open_descriptors() > before && Clock::now() < end) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(open_descriptors(), before);
}

/// How long a server takes to end amid clients in every state.
Clock::duration time_to_end() {
  HttpServer::Options options = with_pages();
  options.patience = 60s;
  auto server = std::make_unique<HttpServer>(options);
  std::vector<RawClient> clients;
  for (const char* bytes :
       {"", "GET /met", kGet, "GET /large HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"}) {
    for (int i = 0; i < 5; ++i) {
      clients.emplace_back(server->address());
      clients.back().send(bytes);
    }
  }
  std::this_thread::sleep_for(50ms);

  const Clock::time_point begin = Clock::now();
  server.reset();
  const Clock::duration time = Clock::now() - begin;

  for (RawClient& client : clients) EXPECT_TRUE(client.is_closed_within(test::patience(2s)));
  return time;
}

TEST(HttpServerAbuse, EndsAtOnceWhateverIsOpen) {
  const double before = open_descriptors();

  // The best of some: the machine may be busy with something else.
  Clock::duration shortest = time_to_end();
  for (int i = 0; i < 4; ++i) shortest = std::min(shortest, time_to_end());

  EXPECT_LT(shortest, test::patience(100ms));
  EXPECT_EQ(open_descriptors(), before);
}

TEST(HttpServerAbuse, EndsWhileClientsCome) {
  for (int round = 0; round < 20; ++round) {
    auto server = std::make_unique<HttpServer>(with_pages());
    const std::string address = server->address();
    std::atomic<bool> done{false};
    std::thread comers([&] {
      while (!done) {
        try {
          RawClient client(address);
          client.send(kGet);
          (void)client.receive(100, 1ms);
        } catch (const std::exception&) {
          // Nobody listens any more.
        }
      }
    });
    std::this_thread::sleep_for(5ms);

    server.reset();

    done = true;
    comers.join();
  }
}

TEST(HttpServerAbuse, AnswersStillAfterTensOfThousandsOfStrangeRequests) {
  HttpServer::Options options = with_pages();
  options.patience = 2s;
  options.max_request_bytes = 512;
  const HttpServer server(options);
  RandomRequests requests(/*seed=*/23);
  const Clock::time_point end = Clock::now() + 20s;

  int sent = 0;
  while (sent < 30'000 && Clock::now() < end) {
    RawClient client(server.address());
    // Several on one connection, in pieces, until one is refused or the client tires.
    for (int i = requests.below(12); i >= 0; --i) {
      const std::string bytes = requests.next();
      const auto half = static_cast<std::size_t>(requests.below(bytes.size() + 1));
      const bool is_open = client.send(bytes.substr(0, half)) && client.send(bytes.substr(half));
      ++sent;
      if (!is_open) break;
    }
    if (requests.below(4) == 0) (void)client.receive(4096, 1ms);
  }

  EXPECT_GT(sent, 3000);
  EXPECT_TRUE(answers(server));
  EXPECT_GT(server.counts().served, 100);
  EXPECT_GT(server.counts().refused, 100);
}

}  // namespace
}  // namespace softmoe::metrics
