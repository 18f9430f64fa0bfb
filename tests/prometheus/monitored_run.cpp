#include "tests/prometheus/monitored_run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/dashboards/dashboard_file.h"

namespace softmoe::test {

using namespace std::chrono_literals;

namespace {

constexpr auto kLongestRun = 500s;

// More steps than there is time for; the test drains the run. The coordinator gets all of it too:
// it takes ranks of its own configuration only.
const Words kOfBoth = {
    "run.id=watched",          "training.steps=1000000",     "training.evaluate_every=100",
    "training.log_every=1000", "metrics.expert_detail=full", "metrics.targets_folder=targets"};

void replace_once(std::string& text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  if (at == std::string::npos || text.find(what, at + 1) != std::string::npos) {
    throw std::runtime_error("not once in dashboards/prometheus.yaml: " + what);
  }
  text.replace(at, what.size(), by);
}

/// One line without its end.
std::string line_of(const std::filesystem::path& file) {
  std::string text = read_file(file);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

std::string example_configuration(const std::string& coordinator_address,
                                  const std::string& targets_folder) {
  const std::string dashboards = std::string(SOFTMOE_SOURCE_DIR) + "/dashboards/";
  std::string text = text_of(dashboards + "prometheus.yaml");
  replace_once(text, "scrape_interval: 5s", "scrape_interval: 1s");
  replace_once(text, "evaluation_interval: 15s", "evaluation_interval: 1s");
  replace_once(text, "refresh_interval: 5s", "refresh_interval: 1s");
  replace_once(text, "refresh_interval: 30s", "refresh_interval: 1s");
  replace_once(text, "rules/recording.yaml", dashboards + "rules/recording.yaml");
  replace_once(text, "rules/alerts.yaml", dashboards + "rules/alerts.yaml");
  replace_once(text, "127.0.0.1:9400", coordinator_address);
  replace_once(text, "targets/*.json", targets_folder + "/*.json");
  return text;
}

MonitoredRun::MonitoredRun() {
  coordinator_ = std::make_unique<CoordinatorProcess>(place_, kRanks, kOfBoth);
  std::filesystem::create_directory(place_ / "targets");
  ranks_ = std::make_unique<RunningProgram>(supervised_train(place_, kRanks, "run", kOfBoth),
                                            kLongestRun);
  const auto address = place_ / "coordinator/metrics_address";
  EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(address); }));
  std::filesystem::create_directory(place_ / "server");
  write_file(place_ / "server/prometheus.yaml",
             example_configuration(line_of(address), (place_ / "targets").string()));
  prometheus_ = std::make_unique<PrometheusServer>(place_ / "server");
}

bool MonitoredRun::wait_for_history() const {
  return wait_until([this] {
    return !prometheus_->query("softmoe_eval_loss").empty() &&
           !prometheus_->query("softmoe_train_step > 200").empty() &&
           !prometheus_->query("count_over_time(softmoe_train_step[1m]) > 20").empty() &&
           !prometheus_->query("count_over_time(softmoe:ranks_scraped:count[1m]) > 5").empty();
  });
}

Ended MonitoredRun::drain() {
  const Ended asked = ctl(place_, "drain", {"--yes"});
  EXPECT_EQ(asked.code, 0) << asked.output;
  return ranks_->wait();
}

}  // namespace softmoe::test
