#pragma once

// One step of a run of two layers with four experts, on two ranks, in numbers that are checked by
// hand.

#include "training/run_metrics.h"
#include "training/step_result.h"

namespace softmoe::test {

/// Step 9. Layer 0 ran 40 rows (4, 6, 10, 20), layer 1 ran 20 (0, 0, 5, 15), of 16 tokens.
[[nodiscard]] training::StepResult fixed_step();

[[nodiscard]] training::MetricsShape fixed_shape();
[[nodiscard]] training::RunFacts fixed_facts();
/// Of 100 steps, two seconds each.
[[nodiscard]] training::RateContext fixed_rates();

/// A step of so many layers and experts whose loads differ. @param seed  draws them
[[nodiscard]] training::StepResult drawn_step(const training::MetricsShape& shape, unsigned seed);

}  // namespace softmoe::test
