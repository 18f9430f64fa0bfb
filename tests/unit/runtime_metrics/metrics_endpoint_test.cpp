#include "runtime/metrics/metrics_endpoint.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "runtime/base/errors.h"
#include "tests/support/patience.h"
#include "tests/unit/runtime_metrics/page_check.h"
#include "tests/unit/runtime_metrics/raw_client.h"

namespace softmoe::metrics {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;
using testing::IsEmpty;

/// The page, once it holds `text`; else the last one seen.
std::string page_with(MetricsEndpoint& endpoint, const std::string& text) {
  const Clock::time_point end = Clock::now() + test::patience(20s);
  std::string page;
  while (page.find(text) == std::string::npos && Clock::now() < end) {
    endpoint.mark_changed();
    std::this_thread::sleep_for(20ms);
    page = get(endpoint.address(), "/metrics");
  }
  return page;
}

TEST(MetricsEndpoint, ServesWhatItsRegistryHolds) {
  MetricsEndpoint endpoint({.constant = {{"run", "night"}, {"rank", "3"}}});

  endpoint.registry().gauge({.name = "softmoe_rows", .help = "Rows"}).set(5);

  const std::string reply = page_with(endpoint, "softmoe_rows{rank=\"3\",run=\"night\"} 5\n");
  EXPECT_EQ(status_of(reply), 200);
  EXPECT_THAT(reply, HasSubstr("softmoe_rows{rank=\"3\",run=\"night\"} 5\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(samples_of(body_of(reply)), testing::SizeIs(endpoint.registry().num_series()));
}

TEST(MetricsEndpoint, ServesWholePagesOfAWholeModelWhileOthersWrite) {
  MetricsEndpoint endpoint({.constant = {{"run", "night"}, {"rank", "0"}}});
  const Family load{.name = "softmoe_expert_load_ratio",
                    .labels = {"layer", "expert"},
                    .help = "Load of an expert over the layer's mean"};
  std::vector<Gauge> gauges;
  for (int i = 0; i < 32768; ++i) {
    gauges.push_back(
        endpoint.registry().gauge(load, {std::to_string(i / 512), std::to_string(i % 512)}));
  }
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::size_t i = 0; !done; ++i) {
      gauges[i % gauges.size()].set(static_cast<double>(i));
      endpoint.mark_changed();
    }
  });

  const std::string own_count = "softmoe_metrics_series{rank=\"0\",run=\"night\"} 32779\n";
  const std::string reply = page_with(endpoint, own_count);
  const std::vector<Sample> samples = samples_of(body_of(reply));
  done = true;
  writer.join();

  EXPECT_EQ(samples.size(), 32768 + 11);
  EXPECT_NE(reply.find(own_count), std::string::npos);
}

TEST(MetricsEndpoint, CountsItsOwnSeriesTimeAndRequests) {
  MetricsEndpoint endpoint({});
  (void)get(endpoint.address(), "/nothing");
  (void)get(endpoint.address(), "/livez");

  const std::string page =
      page_with(endpoint, "softmoe_http_requests_total{result=\"refused\"} 1\n");

  EXPECT_THAT(page, HasSubstr("softmoe_http_requests_total{result=\"refused\"} 1\n"));
  EXPECT_THAT(page, testing::Not(HasSubstr("softmoe_http_requests_total{result=\"served\"} 0\n")));
  EXPECT_THAT(page, HasSubstr("softmoe_metrics_series 11\n"));
  EXPECT_THAT(page, HasSubstr("softmoe_metrics_page_seconds "));
  EXPECT_THAT(page, HasSubstr("process_cpu_seconds_total "));
  EXPECT_EQ(endpoint.registry().num_series(), 11);
}

TEST(MetricsEndpoint, IsReadyWhenItsOwnerSaysSo) {
  std::atomic<bool> ready{false};
  MetricsEndpoint endpoint({.is_ready = [&] { return ready.load(); }});

  EXPECT_EQ(status_of(get(endpoint.address(), "/readyz")), 503);
  EXPECT_EQ(status_of(get(endpoint.address(), "/livez")), 200);
  ready = true;
  EXPECT_EQ(status_of(get(endpoint.address(), "/readyz")), 200);
}

TEST(MetricsEndpoint, IsReadyFromTheStartIfItsOwnerHasNoSay) {
  const MetricsEndpoint endpoint({});

  EXPECT_EQ(status_of(get(endpoint.address(), "/readyz")), 200);
}

TEST(MetricsEndpoint, ListsTargetsWhereThereAreAny) {
  MetricsEndpoint with({.targets = [] {
    return std::vector{Target{.address = "n1:9100", .run = "night", .role = "rank", .rank = 0}};
  }});
  MetricsEndpoint without({});

  const std::string reply = get(with.address(), "/sd");

  EXPECT_THAT(reply, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(nlohmann::json::parse(body_of(reply))[0]["targets"][0], "n1:9100");
  EXPECT_EQ(status_of(get(without.address(), "/sd")), 404);
}

TEST(MetricsEndpoint, SaysSoWhenThePageCannotBeMade) {
  MetricsEndpoint endpoint({});
  endpoint.registry().on_page([] { throw std::runtime_error("the sensor fell off"); });

  EXPECT_EQ(status_of(page_with(endpoint, "the page could not be made")), 500);
  EXPECT_EQ(status_of(get(endpoint.address(), "/livez")), 200);
}

TEST(MetricsEndpoint, TakesNumbersWhereNobodyListens) {
  MetricsEndpoint endpoint({.listen = ""});

  Gauge gauge = endpoint.registry().gauge({.name = "softmoe_a", .help = "a"});
  gauge.set(3);
  endpoint.mark_changed();

  EXPECT_THAT(endpoint.address(), IsEmpty());
  EXPECT_TRUE(endpoint.is_loopback());
  EXPECT_EQ(gauge.value(), 3);
}

TEST(MetricsEndpoint, RefusesAnAddressThatIsNone) {
  EXPECT_THROW(MetricsEndpoint({.listen = "9100"}), ConfigError);
}

TEST(MetricsEndpoint, EndsWhilePagesAreMadeAndAskedFor) {
  for (int round = 0; round < 20; ++round) {
    auto endpoint = std::make_unique<MetricsEndpoint>(MetricsEndpoint::Options{});
    const std::string address = endpoint->address();
    std::thread scraper([&] {
      try {
        for (int i = 0; i < 50; ++i) (void)get(address, "/metrics");
      } catch (const std::runtime_error&) {
        // The listener has gone, as it should.
      }
    });
    std::this_thread::sleep_for(3ms);
    endpoint->mark_changed();

    endpoint.reset();

    scraper.join();
  }
}

}  // namespace
}  // namespace softmoe::metrics
