#include "bench/fma_peak.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "runtime/ops/cpu/vec.h"

namespace softmoe::bench {

namespace {

using ops::cpu::Vec;

/// Enough independent sums to hide the latency of an addition, few enough for the registers.
constexpr int kSums = 12;
constexpr std::int64_t kRounds = 1 << 20;

/// @return something that depends on all sums, so that none of them can be left out
float multiply_and_add(float factor) {
  std::array<Vec, kSums> sums;
  for (int i = 0; i < kSums; ++i)
    sums[static_cast<std::size_t>(i)] = ops::cpu::all(static_cast<float>(i));
  const Vec factors = ops::cpu::all(factor);
  const Vec terms = ops::cpu::all(1.0F - factor);
  for (std::int64_t round = 0; round < kRounds; ++round) {
    for (Vec& sum : sums) sum = sum * factors + terms;
  }
  Vec total = {};
  for (const Vec& sum : sums) total += sum;
  return total[0];
}

}  // namespace

double measure_fma_peak(Workers& workers) {
  constexpr int kRepeats = 8;
  std::atomic<float> kept = 0;
  double best_seconds = 1e30;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    workers.for_each(workers.size(), [&](std::int64_t worker, int /*on*/) {
      kept = multiply_and_add(1.0F - 1e-6F * static_cast<float>(worker + 1));
    });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    best_seconds = std::min(best_seconds, taken.count());
  }
  return 2.0 * kSums * ops::cpu::kLanes * static_cast<double>(kRounds) * workers.size() /
         best_seconds;
}

}  // namespace softmoe::bench
