#include "runtime/ops/cross_entropy.h"

#include <cmath>

#include "runtime/ops/checks.h"
#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

float maximum_of(const float* x, std::int64_t size) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Vec maximum = all(kLowest);
  for_vectors(size, [&](std::int64_t i, auto lanes) {
    maximum = max(maximum, load(x + i, lanes, kLowest));
  });
  return max_lanes(maximum);
}

/// x := exp(x - maximum) in place; returns the sum. Padding is infinitely low, so it adds 0.
float exponentiate(float* x, std::int64_t size, float maximum) {
  Vec sum{};
  for_vectors(size, [&](std::int64_t i, auto lanes) {
    constexpr float kLowest = -std::numeric_limits<float>::infinity();
    const Vec power = exp(load(x + i, lanes, kLowest) - maximum);
    sum += power;
    store(power, x + i, lanes);
  });
  return sum_lanes(sum);
}

/// Turns a row of logits into its gradient and returns its loss. A row fits the first caches, so
/// three sweeps cost one pass over memory.
float gradient_of_row(View<float> logits_V, std::int64_t token, std::int32_t target) {
  if (target < 0) {
    std::fill_n(logits_V.data(), logits_V.size(), 0.0F);
    return 0.0F;
  }
  require_row("cross_entropy", token, target, logits_V.size());
  float* const x = logits_V.data();
  const float maximum = maximum_of(x, logits_V.size());
  const float target_logit = x[target];
  const float sum = exponentiate(x, logits_V.size(), maximum);
  const float share = 1.0F / sum;
  for_vectors(logits_V.size(),
              [&](std::int64_t i, auto lanes) { store(load(x + i, lanes) * share, x + i, lanes); });
  x[target] -= 1.0F;
  return std::log(sum) + (maximum - target_logit);
}

}  // namespace

void cross_entropy(TensorView logits_TV, View<const std::int32_t> target_T, TensorView loss_T,
                   Stream& stream) {
  stream.run([logits_TV, target_T, loss_T, workers = &stream.workers()] {
    const std::int64_t vocabulary = logits_TV.dim(1);
    const View<float> logits = logits_TV.as<float>();
    const View<float> loss = loss_T.as<float>();
    for_row_blocks(
        *workers, target_T.size(), vocabulary, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t token = begin; token < end; ++token) {
            const View<float> row = logits.part(token * vocabulary, (token + 1) * vocabulary);
            loss[token] = gradient_of_row(row, token, target_T[token]);
          }
        });
  });
}

}  // namespace softmoe::ops::cpu
