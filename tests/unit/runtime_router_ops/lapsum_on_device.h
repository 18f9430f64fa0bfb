#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/ops/lapsum.h"
#include "runtime/ops/lapsum_values.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// Rows of scores and what LapSum made of them, on the host.
template <class T>
struct SolvedRows {
  std::vector<T> signed_f;
  std::vector<T> anchor;  ///< (score, delta) of each row
  std::vector<T> d_scores;
  double d_k = 0;
  double d_alpha = 0;
};

struct LapsumProblem {
  std::vector<double> scores;
  std::int64_t columns = 1;
  double k = 1;
  double alpha = 1;
  std::vector<double> d_p;  ///< like scores; empty: forward only
};

template <class T>
std::vector<T> converted(const std::vector<double>& values) {
  std::vector<T> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(),
                 [](double value) { return static_cast<T>(value); });
  return result;
}

/// Runs ops::lapsum, and the VJP where the problem has a cotangent.
template <class T>
SolvedRows<T> solve(OnDevice& device, const LapsumProblem& problem) {
  const Arena::Mark mark = device.saved.mark();
  const Shape shape{static_cast<std::int64_t>(problem.scores.size()) / problem.columns,
                    problem.columns};
  const ops::LapsumArguments arguments{
      .scores_RC = device.upload(converted<T>(problem.scores), shape),
      .k = problem.k,
      .alpha = problem.alpha,
      .signed_f_RC = device.saved.push(dtype_of<T>, shape),
      .anchor_R2 = device.saved.push(dtype_of<T>, {shape[0], 2})};
  ops::lapsum(arguments, device.scratch, device.stream);

  SolvedRows<T> result;
  if (!problem.d_p.empty()) {
    const View<double> d_k = device.upload<double>({0.0});
    const View<double> d_alpha = device.upload<double>({0.0});
    const TensorView d_scores = device.saved.push(dtype_of<T>, shape);
    ops::lapsum_vjp({.forward = arguments,
                     .d_p_RC = device.upload(converted<T>(problem.d_p), shape),
                     .d_scores_RC = d_scores,
                     .d_k = d_k,
                     .d_alpha = d_alpha},
                    device.scratch, device.stream);
    result.d_scores = device.download<T>(d_scores);
    result.d_k = device.download(d_k)[0];
    result.d_alpha = device.download(d_alpha)[0];
  }
  result.signed_f = device.download<T>(arguments.signed_f_RC);
  result.anchor = device.download<T>(arguments.anchor_R2);
  device.saved.release(mark);
  return result;
}

template <class T>
std::vector<double> probabilities(const std::vector<T>& signed_f) {
  std::vector<double> result;
  for (const T each : signed_f) {
    // In double: 1 - f must not be rounded before it is compared.
    result.push_back(ops::probability_of(static_cast<double>(each)));
  }
  return result;
}

}  // namespace softmoe::test
