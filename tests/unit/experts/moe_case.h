#pragma once

// One MoE layer on any number of ranks, and everything that comes out of it, put together.
// Letters: T tokens, H hidden, F inner width, E experts, P ranks.

#include <cstdint>
#include <numeric>
#include <vector>

#include "experts/moe_layer.h"
#include "tests/support/local_world.h"
#include "tests/support/near.h"

namespace softmoe::test {

struct MoeCase {
  std::vector<std::int64_t> tokens_P;  ///< tokens of each rank
  int num_experts = 4;
  std::int64_t hidden = 6;
  std::int64_t inner = 5;
  router::RouterConfig router = {};
  double k = 2.0;
  /// [E] added to the score of each expert (before normalisation) for every token; empty: 0.
  std::vector<double> favour_E = {};
  DType dtype = DType::f64;
  /// Whole numbers, and SwiGLUs open so far that they multiply: sums over rows are exact.
  bool is_whole = false;
  int exchange_chunks = 1;
  std::int64_t max_received_rows = 0;
  experts::Keep keep = experts::Keep::rows;

  [[nodiscard]] std::int64_t tokens() const {
    return std::accumulate(tokens_P.begin(), tokens_P.end(), std::int64_t{0});
  }
  [[nodiscard]] experts::Receiving receiving() const {
    return {.chunks = exchange_chunks, .max_rows = max_received_rows, .keep = keep};
  }
  /// The same tokens, all on one rank.
  [[nodiscard]] MoeCase alone() const {
    MoeCase one = *this;
    one.tokens_P = {tokens()};
    return one;
  }
};

/// The inputs that every layout of a case shares.
struct MoeNumbers {
  explicit MoeNumbers(const MoeCase& of);

  std::vector<double> x_TH;
  std::vector<double> before_TH;  ///< what y and d_x hold before they are added to
  std::vector<double> d_y_TH;
  std::vector<double> router_EH;
  std::vector<double> gate_up_E2FH;
  std::vector<double> down_EHF;

 private:
  void be_whole(const MoeCase& of);
  void start_tokens_with_one(const MoeCase& of);
};

/// Outputs of all ranks: tokens and experts behind one another, gradients that ranks share summed.
struct MoeOutcome {
  std::vector<double> y_TH;
  std::vector<double> d_x_TH;
  std::vector<double> d_gate_up_E2FH;
  std::vector<double> d_down_EHF;
  std::vector<double> d_router_EH;
  double d_gain = 0;
  double d_k = 0;
  std::vector<std::int32_t> experts_run_T;  ///< k_t
  std::vector<std::int32_t> expert_N;       ///< the plan's rows, by token
  std::vector<double> gate_N;
  std::vector<experts::MoeTraffic> traffic_P;
};

/// Expects the same plan, and all numbers near.
void expect_same_outcome(const MoeOutcome& is, const MoeOutcome& should_be,
                         const Tolerance& tolerance);

/// Runs a function once per rank: run_ranks() for threads, or its like for other ranks.
using RankRunner = void (*)(int num_ranks, const RankFunction& function);

/// Runs forward and backward on as many ranks as the case has.
[[nodiscard]] MoeOutcome run_moe(const MoeCase& of, RankRunner runner = run_ranks);

}  // namespace softmoe::test
