#include "runtime/metrics/targets.h"

#include <gmock/gmock.h>

#include <array>
#include <nlohmann/json.hpp>

namespace softmoe::metrics {
namespace {

using nlohmann::json;

TEST(Targets, AreAnEmptyListWhenThereAreNone) {
  EXPECT_EQ(json::parse(targets_json({})), json::array());
}

TEST(Targets, CarryAddressAndMetaLabels) {
  const std::array targets = {
      Target{.address = "n1:9100", .run = "night", .role = "rank", .rank = 3, .host = "n1"},
      Target{.address = "[::1]:7", .run = "night", .role = "coordinator", .host = "n2"}};

  const json list = json::parse(targets_json(targets));

  ASSERT_EQ(list.size(), 2);
  EXPECT_EQ(list[0], json({{"targets", {"n1:9100"}},
                           {"labels",
                            {{"__meta_softmoe_run", "night"},
                             {"__meta_softmoe_role", "rank"},
                             {"__meta_softmoe_rank", "3"},
                             {"__meta_softmoe_host", "n1"}}}}));
  EXPECT_EQ(list[1]["targets"], json::array({"[::1]:7"}));
  EXPECT_FALSE(list[1]["labels"].contains("__meta_softmoe_rank"));
}

TEST(Targets, HoldLabelsOfTextAloneAsPrometheusWants) {
  const std::array targets = {Target{.address = "a:1", .run = "r", .role = "rank", .rank = 0}};

  const json list = json::parse(targets_json(targets));

  for (const auto& [name, value] : list[0]["labels"].items()) EXPECT_TRUE(value.is_string());
}

TEST(Targets, SurviveNamesThatAreNoText) {
  const std::array targets = {
      Target{.address = "a:1", .run = "quote\" back\\ \n \xff\xfe", .role = "rank", .rank = 0}};

  const json list = json::parse(targets_json(targets));

  EXPECT_EQ(list[0]["labels"]["__meta_softmoe_run"], "quote\" back\\ \n \xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace softmoe::metrics
