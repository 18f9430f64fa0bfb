#pragma once

// Rows of scores that are hard for a router, and the shapes that its kernels are compared on.
// Letters: R rows, C columns.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/near.h"
#include "tests/support/numbers.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// Around the rows of a block and of a warp's turn.
inline constexpr std::array<std::int64_t, 6> kRowCounts = {0, 1, 2, 31, 33, 200};
/// Around the columns of a warp, and up to what it holds.
inline constexpr std::array<std::int64_t, 12> kColumnCounts = {1,  2,  3,  7,   8,   31,
                                                               32, 33, 64, 100, 256, 512};

struct RowShape {
  std::int64_t rows;
  std::int64_t columns;

  [[nodiscard]] std::int64_t elements() const { return rows * columns; }
  [[nodiscard]] Shape tensor() const { return {rows, columns}; }
};

/// Every count of columns, with counts of rows in turn: each pair of a large one with a small one
/// is somewhere, and no list is long.
[[nodiscard]] inline std::vector<RowShape> router_shapes() {
  std::vector<RowShape> shapes;
  for (std::size_t i = 0; i < kColumnCounts.size(); ++i) {
    for (std::size_t j = 0; j < kRowCounts.size(); ++j) {
      const bool is_large = kRowCounts[j] >= 200 && kColumnCounts[i] >= 256;
      if (!is_large) shapes.push_back({kRowCounts[j], kColumnCounts[i]});
    }
  }
  return shapes;
}

/// One row of each kind in turn: normal; heavy tails; whole numbers, so ties; all equal; three
/// clusters; a grid next to 4096; two levels 200 alpha apart, so that e^-gap underflows.
[[nodiscard]] inline std::vector<float> hard_scores(const RowShape& shape, std::uint64_t seed,
                                                    double alpha = 1.0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::student_t_distribution<double> heavy(1.5);
  std::vector<float> scores;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const auto kind = (row + static_cast<std::int64_t>(seed)) % 7;
    const double level = normal(random);
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const double draw = normal(random);
      const std::array<double, 7> kinds = {draw,
                                           heavy(random),
                                           std::round(draw),
                                           level,
                                           10.0 * static_cast<double>(random() % 3) + 0.01 * draw,
                                           4096 + 0.25 * static_cast<double>(random() % 8),
                                           200 * alpha * static_cast<double>(random() % 2)};
      scores.push_back(static_cast<float>(kinds[static_cast<std::size_t>(kind)]));
    }
  }
  return scores;
}

[[nodiscard]] inline std::vector<float> normals(std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float& number : numbers) number = static_cast<float>(normal(random));
  return numbers;
}

/// Arenas of a test of the router: small, since every comparison has fresh ones, and those are
/// filled with NaN.
inline constexpr Bytes kRouterArena{std::int64_t{2} << 20};

/// What `run` makes on a GPU and by the specification, to be compared.
template <class Run>
struct BothResults {
  using Result = std::invoke_result_t<Run, OnDevice&>;
  Result cuda;
  Result reference;

  explicit BothResults(Run run)
      : cuda(on(Backend::cuda, run)), reference(on(Backend::reference, run)) {}

 private:
  static Result on(Backend backend, Run& run) {
    OnDevice device(backend, /*num_threads=*/1, kRouterArena);
    return run(device);
  }
};

}  // namespace softmoe::test
