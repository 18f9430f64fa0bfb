#include "runtime/metrics/exposition.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/support/patience.h"
#include "tests/unit/runtime_metrics/page_check.h"

namespace softmoe::metrics {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;
using testing::IsEmpty;

/// Whether `holds` comes true within some seconds.
template <class Condition>
bool soon(Condition holds) {
  const Clock::time_point end = Clock::now() + test::patience(10s);
  while (!holds()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// A registry that counts the pages made of it.
struct Counted {
  Counted() {
    registry.on_page([this] { ++pages; });
  }
  Registry registry{{}};
  Gauge gauge = registry.gauge({.name = "softmoe_a", .help = "a"});
  std::atomic<int> pages{0};
};

TEST(Exposition, HasAPageFromTheStart) {
  Counted counted;
  counted.gauge.set(7);

  const Exposition exposition(counted.registry);

  EXPECT_THAT(*exposition.page(), HasSubstr("softmoe_a 7\n"));
  EXPECT_GT(exposition.page_seconds(), 0);
  EXPECT_THAT(exposition.failure(), IsEmpty());
}

TEST(Exposition, MakesAPageOfWhatChanged) {
  Counted counted;
  Exposition exposition(counted.registry);

  counted.gauge.set(8);
  exposition.mark_changed();

  EXPECT_TRUE(soon([&] { return exposition.page()->find("softmoe_a 8\n") != std::string::npos; }));
}

TEST(Exposition, MakesAtMostFourPagesASecond) {
  Counted counted;
  const Clock::time_point begin = Clock::now();
  Exposition exposition(counted.registry);

  while (counted.pages < 5) exposition.mark_changed();

  EXPECT_GE(Clock::now() - begin, 999ms);
}

TEST(Exposition, SpendsATwentiethOfTheTimeOnPages) {
  Counted counted;
  counted.registry.on_page([] { std::this_thread::sleep_for(30ms); });
  Exposition exposition(counted.registry);
  const Clock::time_point begin = Clock::now();

  while (counted.pages < 3) exposition.mark_changed();

  EXPECT_GE(Clock::now() - begin, 1100ms);
}

TEST(Exposition, LooksAgainWithinFiveSecondsThoughNobodySaysThatAnythingChanged) {
  Counted counted;
  const Exposition exposition(counted.registry);
  const Clock::time_point begin = Clock::now();
  counted.gauge.set(9);

  ASSERT_TRUE(soon([&] { return exposition.page()->find("softmoe_a 9\n") != std::string::npos; }));

  EXPECT_GE(Clock::now() - begin, 3s);
  EXPECT_LE(Clock::now() - begin, test::patience(5s));
}

TEST(Exposition, KeepsThePageAndSaysWhyThereIsNoNewerOne) {
  Counted counted;
  std::atomic<bool> broken{false};
  counted.registry.on_page([&] {
    if (broken) throw std::runtime_error("the sensor fell off");
  });
  Exposition exposition(counted.registry);

  broken = true;
  exposition.mark_changed();

  ASSERT_TRUE(soon([&] { return !exposition.failure().empty(); }));
  EXPECT_EQ(exposition.failure(), "the sensor fell off");
  EXPECT_THAT(*exposition.page(), HasSubstr("softmoe_a"));
  broken = false;
  exposition.mark_changed();
  EXPECT_TRUE(soon([&] { return exposition.failure().empty(); }));
}

TEST(Exposition, MakesNoPageOnceStopped) {
  Counted counted;
  Exposition exposition(counted.registry);
  const auto page = exposition.page();

  exposition.stop();
  const int pages = counted.pages;
  exposition.mark_changed();
  std::this_thread::sleep_for(400ms);

  EXPECT_EQ(counted.pages, pages);
  EXPECT_EQ(exposition.page(), page);
}

TEST(Exposition, EndsAtOnceAlthoughItHadTimeToSleep) {
  Counted counted;
  const Clock::time_point begin = Clock::now();

  { const Exposition exposition(counted.registry); }

  EXPECT_LT(Clock::now() - begin, test::patience(1s));
}

TEST(Exposition, HoldsThePageOfAWholeModel) {
  Registry registry({{"run", "night"}, {"rank", "0"}});
  const Family load{.name = "softmoe_expert_load_ratio",
                    .labels = {"layer", "expert"},
                    .help = "Load of an expert over the layer's mean"};
  for (int layer = 0; layer < 64; ++layer) {
    for (int expert = 0; expert < 512; ++expert)
      registry.gauge(load, {std::to_string(layer), std::to_string(expert)}).set(expert / 512.0);
  }

  const Exposition exposition(registry);

  EXPECT_EQ(registry.num_series(), 32768);
  EXPECT_EQ(samples_of(*exposition.page()).size(), 32768);
  RecordProperty("page_bytes", static_cast<int>(exposition.page()->size()));
  RecordProperty("page_seconds", std::to_string(exposition.page_seconds()));
}

TEST(Exposition, GivesWholePagesWhileOthersWrite) {
  Counted counted;
  Counter counter =
      counted.registry.counter({.name = "softmoe_c_total", .kind = Kind::counter, .help = "c"});
  Histogram histogram = counted.registry.histogram(
      {.name = "softmoe_h", .kind = Kind::histogram, .help = "h", .bounds = {1, 2}});
  Exposition exposition(counted.registry);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      counter.add(1);
      histogram.observe(i % 3);
      exposition.mark_changed();
    }
  });

  double before = -1;
  for (int pages = 0; pages < 5; ++pages) {
    const std::vector<Sample> samples = samples_of(*exposition.page());
    const auto count = std::find_if(samples.begin(), samples.end(), [](const Sample& sample) {
      return sample.series == "softmoe_c_total";
    });
    EXPECT_EQ(samples.size(), 7);
    EXPECT_GE(count->value, before);
    before = count->value;
    std::this_thread::sleep_for(260ms);
  }
  done = true;
  writer.join();

  EXPECT_GT(before, 0);
}

}  // namespace
}  // namespace softmoe::metrics
