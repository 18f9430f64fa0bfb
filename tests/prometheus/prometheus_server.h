#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/run_program.h"

namespace softmoe::test {

/// What its API says of a place that it scrapes.
struct ScrapedTarget {
  std::string job;
  std::string instance;
  std::string health;  ///< "up", or why not
};

/// Debian's Prometheus on a free port of the loopback, with its data in a folder of the test.
class PrometheusServer {
 public:
  /// Starts it and waits until it is ready.
  /// @param folder  holds `prometheus.yaml`; gets `data/`
  explicit PrometheusServer(const std::filesystem::path& folder);

  /// `data` of GET /api/v1/TARGET. @throws std::runtime_error with what it says if it refuses
  [[nodiscard]] nlohmann::json ask(const std::string& target) const;

  /// The samples of an instant query whose value is a number.
  [[nodiscard]] nlohmann::json query(const std::string& expression) const;
  /// The values of a label over the series that a selector selects.
  [[nodiscard]] std::vector<std::string> label_values(const std::string& selector,
                                                      const std::string& label) const;
  /// What it scrapes, in the order of job and instance.
  [[nodiscard]] std::vector<ScrapedTarget> targets() const;

  /// SIGTERM. @return how it ended
  [[nodiscard]] Ended end();

 private:
  std::string address_;
  RunningProgram program_;
};

/// Asks until `is_so`, at most a minute and a half. @return whether it became so
[[nodiscard]] bool wait_until(const std::function<bool()>& is_so);

}  // namespace softmoe::test
