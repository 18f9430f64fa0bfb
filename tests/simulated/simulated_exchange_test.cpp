// The trainer's exchange on simulated clusters: every row arrives, what is sent is what the formula
// says, and nothing is faster than its links. Letters: P ranks, C cells in all.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "bench/row_counts.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::test {
namespace {

using nlohmann::json;

// What bench/simulated_cluster/run moves.
constexpr std::int64_t kTokens = 2048;
constexpr std::int64_t kRows = 8192;
constexpr std::int64_t kRowBytes = 128;
constexpr std::int64_t kGateBytes = 4;
constexpr std::int64_t kElements = 262144;
constexpr int kExperts = 256;

constexpr const char* kSpreads = "balanced zipf hot_rank idle_rank gaps";

class SimulatedExchange : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (std::string_view(SOFTMOE_HAS_SIMGRID) == "yes") return;
    constexpr std::string_view kCure =
        "SimGrid was not there when this build was configured: install libsimgrid-dev and "
        "configure "
        "again";
    const char* const ci = std::getenv("CI");
    if (ci != nullptr && std::string_view(ci) == "true") FAIL() << kCure;
    GTEST_SKIP() << kCure;
  }

  /// All moves of a cluster of so many ranks.
  [[nodiscard]] std::vector<json> simulate(int ranks) const {
    const std::string lines = (folder_.path() / "moves.jsonl").string();
    const std::string command = fmt::format(
        "SOFTMOE_BUILD='{}' SOFTMOE_SPREADS='{}' '{}/bench/simulated_cluster/run' --json '{}' {} "
        "> '{}' 2>&1",
        SOFTMOE_BINARY_DIR, kSpreads, SOFTMOE_SOURCE_DIR, lines, ranks,
        (folder_.path() / "output").string());
    EXPECT_EQ(std::system(command.c_str()), 0) << output();
    std::ifstream file(lines);
    std::vector<json> moves;
    for (std::string line; std::getline(file, line);) moves.push_back(json::parse(line));
    return moves;
  }

 private:
  [[nodiscard]] std::string output() const {
    std::ifstream file(folder_.path() / "output");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryDirectory folder_;
};

/// Bytes that a move sends to other ranks, from scratch.
std::int64_t expected_bytes(const json& move, int ranks) {
  const std::string name = move.at("move");
  const bench::RowLoad load{.ranks = ranks,
                            .cells_per_rank = kExperts / ranks,
                            .tokens = kTokens,
                            .rows = kRows,
                            .spread = bench::spread_of(move.at("spread").get<std::string>())};
  if (name == "counts") return 4 * load.cells() * (ranks - 1) * ranks;
  if (name == "reduce_scatter" || name == "all_gather") return 4 * kElements * (ranks - 1);

  const std::vector<std::int32_t> count_PC = bench::make_row_counts(load);
  std::int64_t off_rank = 0;
  for (std::int64_t i = 0; i < std::ssize(count_PC); ++i) {
    const std::int64_t source = i / load.cells();
    const std::int64_t target = i % load.cells() / load.cells_per_rank;
    if (source != target) off_rank += count_PC[static_cast<std::size_t>(i)];
  }
  return off_rank * (kRowBytes + (name == "dispatch" ? kGateBytes : 0));
}

TEST_P(SimulatedExchange, BringsEveryRowAndSendsWhatTheFormulaSays) {
  const int ranks = GetParam();

  const std::vector<json> moves = simulate(ranks);

  // Counts, five spreads there and back, and gradients in two halves.
  ASSERT_EQ(moves.size(), 13U);
  for (const json& move : moves) {
    SCOPED_TRACE(move.dump());
    EXPECT_EQ(move.at("ranks"), ranks);
    EXPECT_EQ(move.at("wrong_elements"), 0);
    EXPECT_EQ(move.at("bytes_passed"), expected_bytes(move, ranks));
    EXPECT_EQ(move.at("bytes_off_rank"), move.at("bytes_passed"));
    EXPECT_GE(move.at("simulated_seconds").get<double>(), move.at("bound_seconds").get<double>());
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, SimulatedExchange, testing::Values(8, 32),
                         [](const auto& each) { return std::to_string(each.param); });

TEST(RowCounts, NeverGiveACellMoreRowsThanTokens) {
  for (const std::string_view spread : bench::spread_names()) {
    for (const int ranks : {1, 2, 5, 8}) {
      for (const int cells : {1, 3, 16}) {
        const bench::RowLoad load{.ranks = ranks,
                                  .cells_per_rank = cells,
                                  .tokens = 37,
                                  .rows = std::min<std::int64_t>(37 * 4, 37 * ranks * cells),
                                  .spread = bench::spread_of(spread)};
        for (const std::int32_t count : bench::make_row_counts(load)) {
          ASSERT_GE(count, 0);
          ASSERT_LE(count, load.tokens);
        }
      }
    }
  }
}

TEST(RowCounts, GiveEveryRowACellWhereThereIsRoom) {
  for (const std::string_view spread : {"balanced", "zipf", "hot_rank"}) {
    const bench::RowLoad load{.ranks = 4,
                              .cells_per_rank = 3,
                              .tokens = 50,
                              .rows = 201,
                              .spread = bench::spread_of(spread)};
    const std::vector<std::int32_t> count_PC = bench::make_row_counts(load);
    for (auto row = count_PC.begin(); row != count_PC.end(); row += load.cells())
      EXPECT_EQ(std::accumulate(row, row + load.cells(), 0), load.rows) << spread;
  }
}

}  // namespace
}  // namespace softmoe::test
