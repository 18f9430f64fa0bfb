// Letters: M rows, H hidden, F inner width, e experts.

#include "experts/grouped_ffn.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "tests/support/central_difference.h"
#include "tests/support/near.h"
#include "tests/support/numbers.h"
#include "tests/support/on_device.h"
#include "tests/unit/experts/naive_expert.h"

namespace softmoe::test {
namespace {

/// Numbers of one pass, as a test makes them up.
struct Problem {
  std::vector<std::int64_t> rows_e;  ///< rows of each expert
  std::int64_t hidden = 5;
  std::int64_t inner = 3;
  std::vector<double> x = {};        ///< [M, H]
  std::vector<double> gate = {};     ///< [M]
  std::vector<double> gate_up = {};  ///< [e, 2F, H]
  std::vector<double> down = {};     ///< [e, H, F]
  std::vector<double> d_y = {};      ///< [M, H]

  [[nodiscard]] std::int64_t experts() const { return std::ssize(rows_e); }
  [[nodiscard]] std::int64_t rows() const {
    return std::accumulate(rows_e.begin(), rows_e.end(), std::int64_t{0});
  }
};

Problem problem(std::vector<std::int64_t> rows_e) {
  Problem made{.rows_e = std::move(rows_e)};
  made.x = normal_numbers<double>(made.rows() * made.hidden, 1);
  made.gate = normal_numbers<double>(made.rows(), 2);
  made.gate_up = normal_numbers<double>(made.experts() * 2 * made.inner * made.hidden, 3, 0.5);
  made.down = normal_numbers<double>(made.experts() * made.hidden * made.inner, 4, 0.5);
  made.d_y = normal_numbers<double>(made.rows() * made.hidden, 5);
  return made;
}

struct Result {
  std::vector<double> y;
  std::vector<double> d_x;
  std::vector<double> d_gate;
  std::vector<double> d_gate_up;
  std::vector<double> d_down;
};

template <class T>
Result run(const Problem& problem, Backend backend) {
  OnDevice on(backend);
  const auto upload = [&](const std::vector<double>& values, Shape shape) {
    return on.upload(std::vector<T>(values.begin(), values.end()), shape);
  };
  const auto zeros = [&](const std::vector<double>& like, Shape shape) {
    return upload(std::vector<double>(like.size(), 0.0), shape);
  };
  const auto download = [&](TensorView tensor) {
    const std::vector<T> values = on.download<T>(tensor);
    return std::vector<double>(values.begin(), values.end());
  };
  const auto [rows, hidden, inner] = std::tuple(problem.rows(), problem.hidden, problem.inner);
  const Shape gate_up{problem.experts(), 2 * inner, hidden};
  const Shape down{problem.experts(), hidden, inner};
  const experts::GroupedFfnWeights weights{
      .gate_up_e2FH = {upload(problem.gate_up, gate_up), zeros(problem.gate_up, gate_up)},
      .down_eHF = {upload(problem.down, down), zeros(problem.down, down)}};
  std::vector<std::int64_t> row_begin_e1(1, 0);
  for (const std::int64_t count : problem.rows_e)
    row_begin_e1.push_back(row_begin_e1.back() + count);
  const experts::GroupedFfnRows pass{.x_MH = upload(problem.x, {rows, hidden}),
                                     .gate_M = upload(problem.gate, {rows}),
                                     .h_M2F = on.saved.push(dtype_of<T>, {rows, 2 * inner}),
                                     .row_begin_e1 = row_begin_e1};
  const TensorView y_MH = on.saved.push(dtype_of<T>, {rows, hidden});
  const TensorView d_x_MH = on.saved.push(dtype_of<T>, {rows, hidden});
  const TensorView d_gate_M = on.saved.push(dtype_of<T>, {rows});

  experts::grouped_ffn(weights, pass, y_MH, on.work);
  const std::vector<double> y = download(y_MH);
  experts::grouped_ffn_backward(weights, pass, upload(problem.d_y, {rows, hidden}), d_x_MH,
                                d_gate_M, on.work);

  return {.y = y,
          .d_x = download(d_x_MH),
          .d_gate = download(d_gate_M),
          .d_gate_up = download(weights.gate_up_e2FH.gradient),
          .d_down = download(weights.down_eHF.gradient)};
}

std::vector<double> naive(const Problem& problem) {
  std::vector<double> y;
  const auto part = [](const std::vector<double>& values, std::int64_t index, std::int64_t size) {
    return std::span(values).subspan(static_cast<std::size_t>(index * size),
                                     static_cast<std::size_t>(size));
  };
  std::int64_t row = 0;
  for (std::int64_t expert = 0; expert < problem.experts(); ++expert) {
    const NaiveExpert weights{
        .gate_up_2FH = part(problem.gate_up, expert, 2 * problem.inner * problem.hidden),
        .down_HF = part(problem.down, expert, problem.hidden * problem.inner)};
    for (std::int64_t i = 0; i < problem.rows_e[static_cast<std::size_t>(expert)]; ++i, ++row) {
      const std::vector<double> y_H = naive_expert(weights, part(problem.x, row, problem.hidden),
                                                   problem.gate[static_cast<std::size_t>(row)]);
      y.insert(y.end(), y_H.begin(), y_H.end());
    }
  }
  return y;
}

TEST(GroupedFfn, EqualsTheExpertsOneByOne) {
  const Problem uneven = problem({3, 0, 1, 40, 0});

  const std::vector<double> expected = naive(uneven);

  EXPECT_TRUE(near(run<double>(uneven, Backend::reference).y, expected, kF64Rounding));
  EXPECT_TRUE(near(run<double>(uneven, Backend::cpu).y, expected, kF64Rounding));
  EXPECT_TRUE(near(run<float>(uneven, Backend::reference).y, expected, kF32Sums));
  EXPECT_TRUE(near(run<float>(uneven, Backend::cpu).y, expected, kF32Sums));
}

TEST(GroupedFfn, GradientsAreThoseOfFiniteDifferences) {
  const Problem uneven = problem({2, 0, 3});
  const auto gradient_by = [&](std::vector<double> Problem::*numbers) {
    return central_differences(uneven.*numbers, [&](const std::vector<double>& values) {
      Problem moved = uneven;
      moved.*numbers = values;
      return weighed(naive(moved), uneven.d_y);
    });
  };

  const Result result = run<double>(uneven, Backend::cpu);

  EXPECT_TRUE(near(result.d_x, gradient_by(&Problem::x), kCentralDifference));
  EXPECT_TRUE(near(result.d_gate, gradient_by(&Problem::gate), kCentralDifference));
  EXPECT_TRUE(near(result.d_gate_up, gradient_by(&Problem::gate_up), kCentralDifference));
  EXPECT_TRUE(near(result.d_down, gradient_by(&Problem::down), kCentralDifference));
}

TEST(GroupedFfn, GradientsOfF32AreThoseOfF64) {
  const Problem uneven = problem({7, 0, 2, 30});

  const Result exact = run<double>(uneven, Backend::reference);
  const Result fast = run<float>(uneven, Backend::cpu);

  EXPECT_TRUE(near(fast.d_x, exact.d_x, kF32Sums));
  EXPECT_TRUE(near(fast.d_gate, exact.d_gate, kF32Sums));
  EXPECT_TRUE(near(fast.d_gate_up, exact.d_gate_up, kF32Sums));
  EXPECT_TRUE(near(fast.d_down, exact.d_down, kF32Sums));
}

TEST(GroupedFfn, ExpertsWithoutRowsGetNoGradient) {
  const Problem uneven = problem({2, 0});

  const Result result = run<float>(uneven, Backend::cpu);

  const auto half = std::ssize(result.d_down) / 2;
  EXPECT_FALSE(std::all_of(result.d_down.begin(), result.d_down.begin() + half,
                           [](double d) { return d == 0; }));
  EXPECT_TRUE(std::all_of(result.d_down.begin() + half, result.d_down.end(),
                          [](double d) { return d == 0; }));
}

TEST(GroupedFfn, NoRowsAtAllAreOrdinary) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    const Result result = run<float>(problem({0, 0, 0}), backend);

    EXPECT_TRUE(result.y.empty());
    EXPECT_TRUE(result.d_x.empty());
    EXPECT_EQ(result.d_gate_up, std::vector<double>(result.d_gate_up.size(), 0.0));
    EXPECT_EQ(result.d_down, std::vector<double>(result.d_down.size(), 0.0));
  }
}

}  // namespace
}  // namespace softmoe::test
