#pragma once

// One training run on any layout of ranks that are threads, and its weights.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "budget/control_word.h"
#include "launcher/run/run_config.h"

namespace softmoe::test {

/// Where a run runs: never what it is.
struct Layout {
  int world = 1;
  int expert_parallel = 1;
  int threads = 1;  ///< of each rank
  int exchange_chunks = 1;
};

/// What a run came to.
struct Outcome {
  std::map<std::string, std::vector<float>> weights;     ///< by logical name, whole
  std::map<std::string, std::vector<double>> gradients;  ///< of the last step, sums over all tokens
  std::vector<double> losses;                            ///< per step
  std::vector<double> gradient_norms;
  std::vector<double> clip_factors;
  std::vector<double> measured;  ///< what is measured about routing, and lambda
  std::vector<std::int64_t> executed;
  std::vector<int> skipped;  ///< steps
  double validation_loss = 0;
};

/// Three layers, two of them with eight experts, 50 steps of four lanes of 64 tokens, with balance
/// loss, gate noise, learned means and clipping; layout_invariant.
[[nodiscard]] launcher::RunConfig invariant_config();

/// Trains. The weights of all ranks are put together; what several ranks hold must agree.
[[nodiscard]] Outcome run_on(const Layout& layout, const launcher::RunConfig& config);
/// The same with gradients in this format.
[[nodiscard]] Outcome run_on(const Layout& layout, const launcher::RunConfig& config,
                             std::optional<FixedPoint> format);

/// Expects equal bits in everything.
void expect_equal_bits(const Outcome& outcome, const Outcome& expected);

}  // namespace softmoe::test
