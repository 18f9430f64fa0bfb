#include "tests/prometheus/prometheus_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "tests/dashboards/tools.h"
#include "tests/prometheus/http_get.h"
#include "tests/support/patience.h"

namespace softmoe::test {

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr auto kLongestLife = 500s;

Command command_of(const std::filesystem::path& folder, const std::string& address) {
  return {
      .words = {path_of(Tool::prometheus), "--config.file=prometheus.yaml",
                "--storage.tsdb.path=data", "--web.listen-address=" + address, "--log.level=warn"},
      .directory = folder};
}

}  // namespace

PrometheusServer::PrometheusServer(const std::filesystem::path& folder)
    : address_(fmt::format("127.0.0.1:{}", free_port())),
      program_(command_of(folder, address_), kLongestLife) {
  const bool is_ready = wait_until([this] {
    try {
      return !http_get(address_, "/-/ready").empty();
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  EXPECT_TRUE(is_ready) << end().output;
}

json PrometheusServer::ask(const std::string& target) const {
  return json::parse(http_get(address_, "/api/v1/" + target)).at("data");
}

json PrometheusServer::query(const std::string& expression) const {
  const json result = ask("query?query=" + url_encoded(expression));
  json numbers = json::array();
  if (result.at("resultType") != "vector") return json::array({result.at("result")});
  for (const json& sample : result.at("result")) {
    if (sample.at("value").at(1) != "NaN") numbers.push_back(sample);
  }
  return numbers;
}

std::vector<std::string> PrometheusServer::label_values(const std::string& selector,
                                                        const std::string& label) const {
  return ask(fmt::format("label/{}/values?match[]={}", label, url_encoded(selector)))
      .get<std::vector<std::string>>();
}

std::vector<ScrapedTarget> PrometheusServer::targets() const {
  std::vector<ScrapedTarget> targets;
  const json data = ask("targets");
  for (const json& target : data.at("activeTargets")) {
    const std::string error = target.at("lastError");
    targets.push_back({.job = target.at("labels").at("job"),
                       .instance = target.at("labels").at("instance"),
                       .health = error.empty() ? target.at("health").get<std::string>() : error});
  }
  std::sort(targets.begin(), targets.end(), [](const auto& left, const auto& right) {
    return std::tie(left.job, left.instance) < std::tie(right.job, right.instance);
  });
  return targets;
}

Ended PrometheusServer::end() {
  program_.signal(SIGTERM);
  return program_.wait();
}

bool wait_until(const std::function<bool()>& is_so) {
  const auto deadline = std::chrono::steady_clock::now() + patience(90s);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(100ms);
  }
  return true;
}

}  // namespace softmoe::test
