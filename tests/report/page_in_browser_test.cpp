// The report of a real run as a browser draws it.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/report/browser.h"
#include "tests/report/picture.h"

namespace softmoe::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// Measures every chart, moves the pointer over the middle of each, and chooses a layer; what it
// finds is the text of #probe.
constexpr const char* kProbe = R"(<pre id="probe"></pre><script>
const size = box => [box.left, box.top, box.width, box.height].map(Math.round);
const found = [...document.querySelectorAll('figure')].map(figure => {
  const plot = figure.querySelector('svg.plot');
  if (!plot) return {id: figure.id};
  const ground = plot.querySelector('.ground').getBoundingClientRect();
  const drawn = [...plot.querySelectorAll('path')].map(path => path.getBoundingClientRect());
  plot.dispatchEvent(new PointerEvent('pointermove', {bubbles: true,
    clientX: ground.left + ground.width / 2, clientY: ground.top + ground.height / 2}));
  return {id: figure.id, plot: size(ground), paths: drawn.length,
          span: Math.max(...drawn.map(box => box.right)) - Math.min(...drawn.map(box => box.left)),
          inside: drawn.every(box => box.left > ground.left - 9 && box.right < ground.right + 9 &&
                                     box.top > ground.top - 9 && box.bottom < ground.bottom + 9),
          readout: document.querySelector('.readout').textContent,
          ticks: plot.querySelectorAll('text.tick').length};
});
const select = document.querySelector('select');
select.value = '1';
select.dispatchEvent(new Event('change'));
document.getElementById('probe').textContent = JSON.stringify({charts: found,
  dimmed: document.querySelectorAll('path.dim').length,
  layered: document.querySelectorAll('path[data-layer="0"]').length,
  wide: document.documentElement.scrollWidth});
</script>)";

class PageInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    browser_ = Browser::find(place_);
    if (browser_) return;
    const char* missing = "no chromium: apt-get install --no-install-recommends chromium";
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string(ci) == "true") FAIL() << missing;
    GTEST_SKIP() << missing;
  }

  /// Trains for real and reports.
  void make_report(const Words& overrides) {
    place_.train("run", overrides);
    const Ended ended = place_.softmoe({"report", "run"});
    ASSERT_EQ(ended.code, 0) << ended.output;
    ASSERT_EQ(ended.output, "run/report.html\n");
  }

  /// What the probe finds on the page.
  json probe() {
    std::string page = read_file(place_ / "run/report.html");
    page.insert(page.rfind("</body>"), kProbe);
    write_file(place_ / "probed.html", page);
    const Ended ended = browser_->document(place_ / "probed.html");
    EXPECT_EQ(ended.code, 0);
    EXPECT_THAT(ended.output, Not(HasSubstr("CONSOLE")));
    const std::string mark = "<pre id=\"probe\">";
    const std::size_t begin = ended.output.find(mark) + mark.size();
    return json::parse(ended.output.substr(begin, ended.output.find("</pre>", begin) - begin));
  }

  Workplace place_;
  std::optional<Browser> browser_;
};

TEST_F(PageInBrowser, DrawsEveryChartAndReadsItOut) {
  make_report({"training.steps=30", "training.evaluate_every=10"});

  const json found = probe();

  EXPECT_EQ(found["charts"].size(), 18U);
  for (const json& chart : found["charts"]) {
    SCOPED_TRACE(chart.dump());
    ASSERT_TRUE(chart.contains("plot"));
    EXPECT_GT(chart["plot"][2].get<int>(), 400);
    EXPECT_GT(chart["plot"][3].get<int>(), 25);
    EXPECT_GE(chart["paths"].get<int>(), 1);
    EXPECT_GT(chart["span"].get<double>(), 0.8 * chart["plot"][2].get<double>());
    EXPECT_TRUE(chart["inside"].get<bool>());
    EXPECT_GE(chart["ticks"].get<int>(), 4);
    EXPECT_THAT(chart["readout"].get<std::string>(),
                testing::ContainsRegex("(step [0-9]+|expert [0-9]+).*[0-9]"));
  }
  EXPECT_EQ(found["layered"], 5);
  EXPECT_EQ(found["dimmed"], 5);  // of two layers one was chosen, so the other steps back
  EXPECT_LE(found["wide"].get<int>(), Browser::kWidth);
}

TEST_F(PageInBrowser, IsNoBlankPictureInLightAndInDark) {
  make_report({"training.steps=30", "training.evaluate_every=10"});
  const json charts = probe()["charts"];

  for (const Scheme scheme : {Scheme::light, Scheme::dark}) {
    const Ended ended =
        browser_->picture(place_ / "run/report.html", place_ / "picture.png", scheme);
    ASSERT_EQ(ended.code, 0) << ended.output;
    EXPECT_THAT(ended.output, Not(HasSubstr("CONSOLE")));
    const Picture picture(place_ / "picture.png");

    ASSERT_EQ(picture.width(), Browser::kWidth);
    ASSERT_EQ(picture.height(), Browser::kHeight);
    const int brightness = picture.at(3, 3)[1];
    EXPECT_TRUE(scheme == Scheme::dark ? brightness < 60 : brightness > 200) << brightness;
    for (const json& chart : charts) {
      SCOPED_TRACE(chart.dump());
      const json& plot = chart["plot"];
      const Region region{plot[0].get<int>(), plot[1].get<int>(), plot[2].get<int>(),
                          plot[3].get<int>()};
      ASSERT_LE(region.top + region.height, Browser::kHeight);
      EXPECT_GE(picture.count_colours(region), 3);
      // A line of two pixels in the flattest plot.
      EXPECT_GT(picture.drawn_share(region), 0.01);
    }
  }
}

TEST_F(PageInBrowser, DrawsARunOfOneStep) {
  make_report({"training.steps=1"});

  for (const json& chart : probe()["charts"]) {
    SCOPED_TRACE(chart.dump());
    EXPECT_TRUE(chart.contains("plot"));
    EXPECT_GE(chart["paths"].get<int>(), 1);
    EXPECT_TRUE(chart["inside"].get<bool>());
  }
}

TEST_F(PageInBrowser, WouldSeeAnErrorOfAScript) {
  write_file(place_ / "wrong.html", "<script>nothing.like_this()</script>");

  EXPECT_THAT(browser_->document(place_ / "wrong.html").output, HasSubstr("CONSOLE"));
}

}  // namespace
}  // namespace softmoe::test
