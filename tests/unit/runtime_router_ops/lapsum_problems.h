#pragma once

// Seeded random problems that are hard for a threshold solver, and an independent solution.

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/unit/runtime_router_ops/lapsum_on_device.h"

namespace softmoe::test {

/// Ties, heavy tails (Student-t with 1.5 degrees of freedom), clusters, grids and plain normals;
/// alpha from 1e-3 to 1e2, 1 to 512 columns; k whole, fractional, and next to 0 and to C. All
/// inputs are exact in f32.
inline LapsumProblem random_problem(std::mt19937_64& random) {
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  LapsumProblem problem;
  problem.columns = static_cast<std::int64_t>(std::exp2(uniform(0, 9.001)));
  problem.alpha = std::pow(10.0, uniform(-3, 2));
  std::normal_distribution<double> normal;
  std::student_t_distribution<double> heavy(1.5);
  const auto kind = random() % 5;
  for (std::int64_t i = 0; i < problem.columns; ++i) {
    double score = normal(random);
    if (kind == 1) score = heavy(random);
    if (kind == 2) score = std::round(score);
    if (kind == 3) score = 10.0 * static_cast<double>(random() % 3) + 0.01 * score;
    if (kind == 4) score = 0.25 * static_cast<double>(random() % 8);
    problem.scores.push_back(static_cast<float>(score));
    problem.d_p.push_back(static_cast<float>(normal(random)));
  }
  const auto columns = static_cast<double>(problem.columns);
  problem.k = std::min(uniform(0, 1) < 0.5 ? uniform(0.01, columns) : uniform(0.01, 8), columns);
  if (random() % 3 == 0) problem.k = std::max(1.0, std::floor(problem.k));
  if (random() % 20 == 0) problem.k = 1e-4;
  if (random() % 20 == 0) problem.k = columns - 1e-4;
  problem.k = static_cast<float>(problem.k);
  problem.alpha = static_cast<float>(problem.alpha);
  return problem;
}

/// p of one row by bisection of the defining equation, in double.
inline std::vector<double> p_by_bisection(const LapsumProblem& problem) {
  const auto sum_at = [&](double b) {
    double sum = 0;
    for (const double score : problem.scores) sum += ops::laplace_cdf((score - b) / problem.alpha);
    return sum;
  };
  const auto [least, largest] = std::minmax_element(problem.scores.begin(), problem.scores.end());
  const double k = std::clamp(problem.k, 1e-6, static_cast<double>(problem.columns) - 1e-6);
  double low = *least - 50 * problem.alpha;
  double high = *largest + 50 * problem.alpha;
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (sum_at(middle) > k ? low : high) = middle;
  }
  std::vector<double> p;
  for (const double score : problem.scores) {
    p.push_back(ops::laplace_cdf((score - low) / problem.alpha));
  }
  return p;
}

}  // namespace softmoe::test
