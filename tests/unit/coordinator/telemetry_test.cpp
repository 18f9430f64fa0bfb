#include "coordinator/telemetry.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "coordinator/coordinator.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

/// A line of docs/metrics.md.
struct Documented {
  std::string kind;
  std::set<std::string> labels;
  std::string meaning;
};

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

/// The table under "## Coordinator", by name.
std::map<std::string, Documented> documented() {
  std::ifstream stream(std::string(SOFTMOE_SOURCE_DIR) + "/docs/metrics.md");
  const std::map<std::string, std::string> kinds = {
      {"C", "counter"}, {"G", "gauge"}, {"H", "histogram"}};
  std::map<std::string, Documented> families;
  bool is_inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("## ")) is_inside = line == "## Coordinator";
    if (!is_inside || !line.starts_with("| softmoe_")) continue;
    std::istringstream cells(line.substr(1));
    std::array<std::string, 5> cell;
    for (std::string& text : cell) {
      std::getline(cells, text, '|');
      text = trimmed(text);
    }
    Documented family{.kind = kinds.at(cell[1]), .labels = {}, .meaning = cell[4]};
    std::istringstream labels(cell[2]);
    for (std::string label; std::getline(labels, label, ',');) family.labels.insert(trimmed(label));
    families[cell[0]] = family;
  }
  return families;
}

/// A page, read: families by name, samples by name and labels as they stand there.
struct Page {
  explicit Page(const std::string& text) {
    std::istringstream lines(text);
    const std::regex sample(R"(([a-z_]+)(\{[^}]*\})? (\S+))");
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string hash, what, name, rest;
      if (line.starts_with("# ")) {
        words >> hash >> what >> name;
        std::getline(words, rest);
        (what == "TYPE" ? kinds : helps)[name] = trimmed(rest);
        continue;
      }
      std::smatch parts;
      EXPECT_TRUE(std::regex_match(line, parts, sample)) << line;
      values[parts.str(1) + parts.str(2)] = std::stod(parts.str(3));
    }
  }

  [[nodiscard]] double at(const std::string& series) const {
    const auto found = values.find(series);
    if (found == values.end()) ADD_FAILURE() << "no " << series;
    return found == values.end() ? -1e9 : found->second;
  }
  [[nodiscard]] bool has(const std::string& series) const { return values.contains(series); }
  /// Names of the labels on the family's series, `le` left out.
  [[nodiscard]] std::set<std::string> labels_of(const std::string& family) const {
    const std::regex label("[{,]([a-z]+)=");
    std::set<std::string> labels;
    for (const auto& [series, value] : values) {
      if (!series.starts_with(family)) continue;
      for (std::sregex_iterator at(series.begin(), series.end(), label), end; at != end; ++at) {
        labels.insert(at->str(1));
      }
    }
    labels.erase("le");
    return labels;
  }

  std::map<std::string, std::string> kinds;
  std::map<std::string, std::string> helps;
  std::map<std::string, double> values;
};

class CoordinatorTelemetry : public ::testing::Test {
 protected:
  explicit CoordinatorTelemetry(int world = 3) { set_world(world); }

  void set_world(int world) {
    status_.run.world = world;
    status_.members.clear();
    for (int rank = 0; rank < world; ++rank) status_.members.push_back({.rank = Rank{rank}});
  }
  Page page() {
    if (!telemetry_) {
      telemetry_.emplace(registry_, Telemetry::Source{.status =
                                                          [this] {
                                                            ++num_looks_;
                                                            return status_;
                                                          },
                                                      .calls = [this] { return calls_; }});
    }
    return Page(registry_.page());
  }
  CallTotals& calls_of(Method method) { return calls_[static_cast<std::size_t>(method)]; }

  Status status_;
  AllCallTotals calls_;
  int num_looks_ = 0;
  metrics::Registry registry_{{}};
  std::optional<Telemetry> telemetry_;
};

TEST_F(CoordinatorTelemetry, ServesWhatThePageOfDocsListsAndNothingElse) {
  status_.members[0].state = MemberState::alive;
  const Page seen = page();

  const std::map<std::string, Documented> listed = documented();
  ASSERT_GE(listed.size(), 16U);
  for (const auto& [name, family] : listed) {
    ASSERT_TRUE(seen.kinds.contains(name)) << name;
    EXPECT_EQ(seen.kinds.at(name), family.kind) << name;
    EXPECT_EQ(seen.labels_of(name), family.labels) << name;
    EXPECT_THAT(family.meaning, testing::StartsWith(seen.helps.at(name))) << name;
  }
  for (const auto& [name, kind] : seen.kinds) EXPECT_TRUE(listed.contains(name)) << name;
}

TEST_F(CoordinatorTelemetry, HasASeriesForEachKindThatThePageOfDocsLists) {
  const Page seen = page();

  const std::regex list(R"(\((\w+): ([^)]*)\))");
  int num_lists = 0;
  for (const auto& [name, family] : documented()) {
    std::smatch parts;
    if (!std::regex_search(family.meaning, parts, list)) continue;
    ++num_lists;
    std::istringstream values(parts.str(2));
    std::size_t num_values = 0;
    for (std::string value; std::getline(values, value, ','); ++num_values) {
      EXPECT_EQ(seen.at(fmt::format("{}{{{}=\"{}\"}}", name, parts.str(1), trimmed(value))),
                value == "absent" ? 3 : 0);
    }
    const auto is_of_it = [&](const auto& sample) { return sample.first.starts_with(name + "{"); };
    EXPECT_EQ(std::count_if(seen.values.begin(), seen.values.end(), is_of_it), num_values) << name;
  }
  EXPECT_EQ(num_lists, 3);
}

TEST_F(CoordinatorTelemetry, ShowsTheStatusWhenAPageIsMade) {
  EXPECT_EQ(page().at("softmoe_coordinator_last_record_step"), -1);
  EXPECT_EQ(page().at("softmoe_coordinator_stuck"), 0);

  status_.term = 7;
  status_.last_record = Step{41};
  status_.step_seconds = 0.25;
  status_.verdict = "rank 1 is silent";
  status_.budget.window_error_ratio = -0.01;
  status_.budget.window_rms_ratio = 0.02;
  const Page seen = page();

  EXPECT_EQ(seen.at("softmoe_coordinator_up"), 1);
  EXPECT_EQ(seen.at("softmoe_coordinator_term"), 7);
  EXPECT_EQ(seen.at("softmoe_coordinator_ranks_expected"), 3);
  EXPECT_EQ(seen.at("softmoe_coordinator_last_record_step"), 41);
  EXPECT_EQ(seen.at("softmoe_coordinator_step_seconds"), 0.25);
  EXPECT_EQ(seen.at("softmoe_coordinator_stuck"), 1);
  EXPECT_EQ(seen.at("softmoe_coordinator_budget_window_error_ratio"), -0.01);
  EXPECT_EQ(seen.at("softmoe_coordinator_budget_window_rms_ratio"), 0.02);
}

TEST_F(CoordinatorTelemetry, CountsRanksByState) {
  status_.members[0].state = MemberState::alive;
  status_.members[1].state = MemberState::silent;
  EXPECT_EQ(page().at(R"(softmoe_coordinator_ranks{state="absent"})"), 1);

  status_.members[0].state = MemberState::left;
  const Page seen = page();

  EXPECT_EQ(seen.at(R"(softmoe_coordinator_ranks{state="absent"})"), 1);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_ranks{state="alive"})"), 0);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_ranks{state="silent"})"), 1);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_ranks{state="left"})"), 1);
}

TEST_F(CoordinatorTelemetry, ARanksHeartbeatHasAnAgeFromItsRegistrationToItsFarewell) {
  const std::string age = R"(softmoe_coordinator_heartbeat_age_seconds{rank="1"})";
  EXPECT_FALSE(page().has(age));

  status_.members[1].state = MemberState::alive;
  status_.members[1].incarnations = 1;
  status_.members[1].seconds_since_heartbeat = 0.5;
  EXPECT_EQ(page().at(age), 0.5);
  EXPECT_EQ(page().at(R"(softmoe_coordinator_rank_incarnations{rank="1"})"), 1);
  status_.members[1].state = MemberState::silent;
  status_.members[1].seconds_since_heartbeat = 60;
  EXPECT_EQ(page().at(age), 60);
  status_.members[1].state = MemberState::left;
  EXPECT_TRUE(std::isnan(page().at(age)));
  status_.members[1].state = MemberState::alive;
  status_.members[1].seconds_since_heartbeat = 0.25;
  EXPECT_EQ(page().at(age), 0.25);
}

TEST_F(CoordinatorTelemetry, AddsToCountersWhatCameSinceTheLastPage) {
  const std::string agreed = R"(softmoe_coordinator_words_audited_total{verdict="agreed"})";
  const std::string hang = R"(softmoe_coordinator_alarms_total{kind="hang"})";
  const std::string rejected = R"(softmoe_coordinator_rejected_total{reason="bad_token"})";
  status_.audit.agreed = 100;
  EXPECT_EQ(page().at(agreed), 100);
  EXPECT_EQ(page().at(agreed), 100);

  status_.audit.agreed = 130;
  status_.audit.unaudited = 2;
  status_.alarm_counts[static_cast<std::size_t>(AlarmKind::hang)] = 3;
  status_.refusals[static_cast<std::size_t>(Reason::bad_token)] = 4;
  const Page seen = page();

  EXPECT_EQ(seen.at(agreed), 130);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_words_audited_total{verdict="unaudited"})"), 2);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_words_audited_total{verdict="disagreed"})"), 0);
  EXPECT_EQ(seen.at(hang), 3);
  EXPECT_EQ(seen.at(rejected), 4);
}

TEST_F(CoordinatorTelemetry, ACountThatBeginsAgainAddsWhatItHasReached) {
  const std::string agreed = R"(softmoe_coordinator_words_audited_total{verdict="agreed"})";
  const std::string beats = R"(softmoe_coordinator_rpcs_total{code="OK",method="SendHeartbeat"})";
  const std::string sum = R"(softmoe_coordinator_rpc_duration_seconds_sum{method="SendHeartbeat"})";
  status_.audit.agreed = 100;
  calls_of(Method::heartbeat).by_code[kCodeOk] = 10;
  calls_of(Method::heartbeat).by_seconds[2] = 10;
  calls_of(Method::heartbeat).seconds = 4;
  EXPECT_EQ(page().at(agreed), 100);

  status_.audit.agreed = 30;
  calls_of(Method::heartbeat).by_code[kCodeOk] = 1;
  calls_of(Method::heartbeat).by_seconds[2] = 1;
  calls_of(Method::heartbeat).seconds = 0.5;
  const Page seen = page();

  EXPECT_EQ(seen.at(agreed), 130);
  EXPECT_EQ(seen.at(beats), 11);
  EXPECT_EQ(seen.at(sum), 4.5);
}

TEST_F(CoordinatorTelemetry, ShowsCallsByMethodAndCodeWithTheirDurations) {
  const std::string denied =
      R"(softmoe_coordinator_rpcs_total{code="PERMISSION_DENIED",method="SendHeartbeat"})";
  EXPECT_EQ(page().at(R"(softmoe_coordinator_rpcs_total{code="OK",method="SendHeartbeat"})"), 0);
  EXPECT_EQ(page().at(R"(softmoe_coordinator_rpcs_total{code="UNIMPLEMENTED",method="unknown"})"),
            0);
  EXPECT_FALSE(page().has(denied));

  calls_of(Method::heartbeat).by_code[7] = 2;
  calls_of(Method::heartbeat).by_seconds[0] = 1;
  calls_of(Method::heartbeat).by_seconds[kCallSeconds.size()] = 1;
  calls_of(Method::heartbeat).seconds = 12.5;
  const Page seen = page();

  const auto bucket = [&](const std::string& bound) {
    return seen.at(fmt::format(
        R"(softmoe_coordinator_rpc_duration_seconds_bucket{{method="SendHeartbeat",le="{}"}})",
        bound));
  };
  EXPECT_EQ(seen.at(denied), 2);
  EXPECT_EQ(bucket("0.0001"), 1);
  EXPECT_EQ(bucket("10"), 1);
  EXPECT_EQ(bucket("+Inf"), 2);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_rpc_duration_seconds_sum{method="SendHeartbeat"})"),
            12.5);
}

TEST_F(CoordinatorTelemetry, HasSeriesByRankUpToItsCap) {
  set_world(Telemetry::kMaxRankSeries);
  for (MemberStatus& member : status_.members) member.state = MemberState::alive;
  const Page seen = page();

  EXPECT_TRUE(seen.has(R"(softmoe_coordinator_rank_incarnations{rank="1023"})"));
  EXPECT_TRUE(seen.has(R"(softmoe_coordinator_heartbeat_age_seconds{rank="1023"})"));
}

TEST_F(CoordinatorTelemetry, HasNoSeriesByRankAboveItsCap) {
  set_world(Telemetry::kMaxRankSeries + 1);
  for (MemberStatus& member : status_.members) member.state = MemberState::alive;
  const Page seen = page();

  EXPECT_EQ(seen.at(R"(softmoe_coordinator_ranks{state="alive"})"), 1025);
  EXPECT_FALSE(seen.kinds.contains("softmoe_coordinator_rank_incarnations"));
  EXPECT_FALSE(seen.kinds.contains("softmoe_coordinator_heartbeat_age_seconds"));
  EXPECT_LT(registry_.num_series(), 300);
}

TEST_F(CoordinatorTelemetry, AsksNobodyAnyMoreWhenItIsOver) {
  status_.term = 5;
  EXPECT_EQ(page().at("softmoe_coordinator_term"), 5);
  telemetry_.reset();
  const int num_looks = num_looks_;
  status_.term = 6;

  EXPECT_EQ(Page(registry_.page()).at("softmoe_coordinator_term"), 5);
  EXPECT_EQ(num_looks_, num_looks);
}

TEST(EmbeddedCoordinatorTelemetry, GivesOtherRanksTheirOwnLabelOnThePageOfRankZero) {
  const RunPlan plan = plan_of(2);
  const CoordinatorConfig config = config_of_tests();
  Coordinator coordinator({.config = config, .plan = plan, .log = {}}, Clock::now());
  register_others(coordinator, plan, Clock::now());
  metrics::Registry registry({{"run", "night"}, {"rank", "0"}});
  const Telemetry telemetry(registry, {.status = [&] { return coordinator.status(Clock::now()); },
                                       .calls = [] { return AllCallTotals{}; }});

  const Page seen(registry.page());

  EXPECT_EQ(seen.at(R"(softmoe_coordinator_up{rank="0",run="night"})"), 1);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_rank_incarnations{run="night",rank="0"})"), 0);
  EXPECT_EQ(seen.at(R"(softmoe_coordinator_rank_incarnations{run="night",rank="1"})"), 1);
}

}  // namespace
}  // namespace softmoe::coordinator
