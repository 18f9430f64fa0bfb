#pragma once

// One expert and one row, by its definition, in double. Letters: H hidden, F inner width.

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace softmoe::test {

/// The weights of one expert, row-major.
struct NaiveExpert {
  std::span<const double> gate_up_2FH;
  std::span<const double> down_HF;
};

/// gate * W_down (silu(W_gate x) * W_up x).
[[nodiscard]] inline std::vector<double> naive_expert(const NaiveExpert& expert,
                                                      std::span<const double> x_H, double gate) {
  const std::size_t hidden = x_H.size();
  const std::size_t inner = expert.down_HF.size() / hidden;
  const auto row_times_x = [&](std::size_t row) {
    double sum = 0;
    for (std::size_t i = 0; i < hidden; ++i) sum += expert.gate_up_2FH[row * hidden + i] * x_H[i];
    return sum;
  };
  std::vector<double> y_H(hidden, 0.0);
  for (std::size_t f = 0; f < inner; ++f) {
    const double h1 = row_times_x(f);
    const double a = h1 / (1 + std::exp(-h1)) * row_times_x(inner + f) * gate;
    for (std::size_t i = 0; i < hidden; ++i) y_H[i] += expert.down_HF[i * inner + f] * a;
  }
  return y_H;
}

}  // namespace softmoe::test
