// What a namespace is given for Prometheus and Grafana: made from dashboards/, never beside it.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "tests/integration/workplace.h"
#include "tests/kubernetes/rules.h"

namespace softmoe::test {
namespace {

using namespace nlohmann::literals;
using testing::IsEmpty;

namespace fs = std::filesystem;

const fs::path kRoot = SOFTMOE_SOURCE_DIR;
constexpr std::size_t kMostBytesOfAPlainApply = 262144;
constexpr int kMaxSeries = 20000;  // default of metrics.max_series

std::vector<fs::path> files_in(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Monitoring, IsMadeFromTheDashboardsAsTheyAre) {
  const TemporaryDirectory place;

  const Ended ended =
      run_program({.words = {kRoot / "deploy/k8s/monitoring/generate.sh", place.path().string()},
                   .directory = kRoot});

  ASSERT_EQ(ended.code, 0) << ended.output;
  for (const char* file : {"deploy/k8s/monitoring/rules.yaml", "dashboards/kustomization.yaml"}) {
    EXPECT_EQ(read_file(kRoot / file), read_file(place / file))
        << file << " is stale: run deploy/k8s/monitoring/generate.sh";
  }
}

TEST(Monitoring, HasFieldsThatItsOperatorsKnow) {
  if (!has_tools()) return;

  EXPECT_THAT(against_fields(render_deployed("monitoring")), IsEmpty());
}

TEST(Monitoring, CarriesEveryRuleAsItIs) {
  if (!has_tools()) return;
  const Objects objects = render_deployed("monitoring");
  const auto files = files_in(kRoot / "dashboards/rules", ".yaml");

  ASSERT_EQ(all_of_kind(objects, "PrometheusRule").size(), files.size());
  for (const fs::path& file : files) {
    const Object rules = find(objects, "PrometheusRule", "softmoe-" + file.stem().string());
    EXPECT_EQ(rules["spec"], read_yaml(file).at(0)) << file;
  }
}

TEST(Monitoring, CarriesEveryDashboardForTheSidecar) {
  if (!has_tools()) return;
  const Objects objects = render_deployed("monitoring");
  const auto files = files_in(kRoot / "dashboards", ".json");

  ASSERT_GE(files.size(), 3U);
  ASSERT_EQ(all_of_kind(objects, "ConfigMap").size(), files.size());
  for (const fs::path& file : files) {
    std::string name = "softmoe-dashboard-" + file.stem().string();
    std::replace(name.begin(), name.end(), '_', '-');
    const Object map = find(objects, "ConfigMap", name);
    EXPECT_EQ(map["data"][file.filename().string()], read_file(file));
    EXPECT_EQ(map["metadata"]["labels"]["grafana_dashboard"], "1");
    EXPECT_EQ(map["metadata"]["annotations"]["grafana_folder"], "softmoe");
    EXPECT_LT(map.dump().size(), kMostBytesOfAPlainApply) << file;
  }
}

TEST(Monitoring, FindsTheRanksAndTheCoordinatorOfARun) {
  if (!has_tools()) return;
  const Objects monitors = render_deployed("monitoring");
  const Object ranks = find(monitors, "PodMonitor", "softmoe-ranks")["spec"];
  const Object coordinator = find(monitors, "ServiceMonitor", "softmoe-coordinator")["spec"];
  const Objects run = render_deployed("overlays/gpu");

  // A page with more samples is refused whole: twice what it may have.
  EXPECT_EQ(ranks["sampleLimit"], 2 * kMaxSeries);
  EXPECT_EQ(coordinator["sampleLimit"], 2 * kMaxSeries);
  for (const PodTemplate& pod : pods_of(run)) {
    if (!pod.title.ends_with("/Worker")) continue;
    for (const auto& [key, value] : ranks["selector"]["matchLabels"].items()) {
      EXPECT_EQ(pod.labels.value(key, ""), value) << key;
    }
    for (const Object& port : pod.spec.at("/containers/0/ports"_json_pointer)) {
      const std::string name = port["name"];
      if (name == "ssh") continue;
      EXPECT_NE(ranks["podMetricsEndpoints"].dump().find(fmt::format("\"{}\"", name)),
                std::string::npos)
          << name;
    }
  }
  const Object service = find(run, "Service", "coordinator");
  for (const auto& [key, value] : coordinator["selector"]["matchLabels"].items()) {
    EXPECT_EQ(service["metadata"]["labels"].value(key, ""), value) << key;
  }
  EXPECT_EQ(coordinator.at("/endpoints/0/port"_json_pointer),
            service.at("/spec/ports/1/name"_json_pointer));
}

}  // namespace
}  // namespace softmoe::test
