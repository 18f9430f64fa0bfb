#pragma once

// The same training run on any layout of ranks, and what to compare.

#include <map>
#include <string>
#include <vector>

#include "budget/control_word.h"
#include "parallel/communicator.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// What a rank saw of a run.
struct LayoutTrace {
  std::vector<double> losses;  ///< per step, over all tokens: equal on all ranks
  std::vector<double> gradient_norms;
  std::vector<std::int64_t> executed;  ///< rows per step, all layers
  /// Gradient sums of the last step by logical tensor: (first element owned, elements).
  struct Piece {
    std::int64_t begin = 0;
    std::vector<float> values;
  };
  std::map<std::string, Piece> gradients;
};

struct LayoutOptions {
  int expert_parallel = 1;
  std::int64_t steps = 50;
  int lanes = 4;
  budget::Mode mode = budget::Mode::servo;
};

/// Trains a small model with 8 experts on random tokens. Collective over `world`.
[[nodiscard]] LayoutTrace run_layout(const LayoutOptions& options, parallel::Communicator& world,
                                     OnDevice& on);

/// Expects that `trace`, of any rank of any layout, agrees with that of a run on one rank.
void expect_same_run(const LayoutTrace& trace, const LayoutTrace& alone);

}  // namespace softmoe::test
