#pragma once

#include <vector>

namespace softmoe::test {

/// The gradient of f at x by central differences. @param f double(const std::vector<double>&)
template <class Function>
[[nodiscard]] std::vector<double> central_differences(std::vector<double> x, const Function& f) {
  constexpr double kStep = 1e-5;
  std::vector<double> gradient;
  for (double& coordinate : x) {
    const double before = coordinate;
    coordinate = before + kStep;
    const double above = f(x);
    coordinate = before - kStep;
    const double below = f(x);
    coordinate = before;
    gradient.push_back((above - below) / (2 * kStep));
  }
  return gradient;
}

/// Sum of products: a scalar loss that weighs every output differently.
[[nodiscard]] inline double weighed(const std::vector<double>& values,
                                    const std::vector<double>& weights) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * weights[i];
  return sum;
}

}  // namespace softmoe::test
