#include "runtime/metrics/registry.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace softmoe::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Registry, PutsItsOwnLabelsOnEverySeries) {
  Registry registry({{"run", "night"}, {"rank", "3"}});

  registry.gauge({.name = "softmoe_rows", .labels = {"layer"}, .help = "Rows"}, {"07"}).set(2.5);

  EXPECT_THAT(registry.page(), HasSubstr("# HELP softmoe_rows Rows\n# TYPE softmoe_rows gauge\n"));
  EXPECT_THAT(registry.page(),
              HasSubstr("softmoe_rows{rank=\"3\",run=\"night\",layer=\"07\"} 2.5"));
}

TEST(Registry, LetsAFamilyGiveOneOfItsOwnLabelsAnotherValue) {
  Registry registry({{"run", "night"}, {"rank", "0"}});

  registry.gauge({.name = "softmoe_age", .labels = {"rank"}, .help = "Age"}, {"3"}).set(1.5);
  registry.gauge({.name = "softmoe_up", .help = "Up"}).set(1);

  EXPECT_THAT(registry.page(), HasSubstr("softmoe_age{run=\"night\",rank=\"3\"} 1.5"));
  EXPECT_THAT(registry.page(), HasSubstr("softmoe_up{rank=\"0\",run=\"night\"} 1"));
}

TEST(Registry, GivesTheSameSeriesWhenAskedAgain) {
  Registry registry({});
  const Family steps{.name = "softmoe_steps_total", .kind = Kind::counter, .help = "Steps"};

  registry.counter(steps).add(2);
  registry.counter(steps).add(3);

  EXPECT_EQ(registry.counter(steps).value(), 5);
  EXPECT_EQ(registry.num_series(), 1);
}

TEST(Registry, CountsAHistogramsLines) {
  Registry registry({});
  const Family times{
      .name = "softmoe_seconds", .kind = Kind::histogram, .help = "s", .bounds = {1, 2}};

  registry.histogram(times).observe_many({1, 0, 4}, 9.5);

  EXPECT_EQ(registry.num_series(), 5);
  EXPECT_THAT(registry.page(), HasSubstr("softmoe_seconds_bucket{le=\"2\"} 1\n"));
  EXPECT_THAT(registry.page(), HasSubstr("softmoe_seconds_bucket{le=\"+Inf\"} 5\n"));
  EXPECT_THAT(registry.page(), HasSubstr("softmoe_seconds_sum 9.5\n"));
}

TEST(Registry, ACounterNeverFalls) {
  Registry registry({});
  Counter counter =
      registry.counter({.name = "softmoe_a_total", .kind = Kind::counter, .help = "a"});

  counter.add(2);
  counter.add(-1);

  EXPECT_EQ(counter.value(), 2);
}

TEST(Registry, LooksNumbersUpWhenAPageIsMade) {
  Registry registry({});
  Gauge gauge = registry.gauge({.name = "softmoe_a", .help = "a"});
  registry.on_page([gauge]() mutable { gauge.set(gauge.value() + 1); });

  EXPECT_THAT(registry.page(), HasSubstr("softmoe_a 1\n"));
  EXPECT_THAT(registry.page(), HasSubstr("softmoe_a 2\n"));
}

TEST(Registry, RefusesWhatIsNoSeries) {
  Registry registry({});
  const Family two{.name = "softmoe_a", .labels = {"layer", "slot"}, .help = "a"};

  EXPECT_THROW(registry.gauge(two, {"1"}), InvalidArgument);
  EXPECT_THROW(registry.counter(two, {"1", "2"}), InvalidArgument);
  EXPECT_THROW(registry.gauge({.name = "no name", .help = ""}), InvalidArgument);
  EXPECT_THAT(registry.page(), Not(HasSubstr("no name")));
}

TEST(Registry, EscapesLabelValues) {
  Registry registry(Labels{{"run", "a\"b\\c\nd"}});

  registry.gauge({.name = "softmoe_a", .help = "a"}).set(1);

  EXPECT_THAT(registry.page(), HasSubstr(R"(softmoe_a{run="a\"b\\c\nd"} 1)"));
}

}  // namespace
}  // namespace softmoe::metrics
