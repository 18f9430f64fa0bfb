// Laws of LapSum over thousands of random problems.

#include <gmock/gmock.h>

#include <numeric>

#include "runtime/ops/cpu/lapsum_lanes.h"
#include "tests/unit/runtime_router_ops/lapsum_problems.h"

namespace softmoe {
namespace {

using test::LapsumProblem;
using test::OnDevice;
using test::SolvedRows;

constexpr std::uint64_t kSeed = 20260617;

template <class T>
class LapsumLaws : public ::testing::Test {};

struct ReferenceDouble {
  using Type = double;
  static constexpr Backend backend = Backend::reference;
  // Rounding of (r - c) / alpha, at most 1e5 here, enters p with weight 1/2.
  static constexpr double near = 1e-10;
};
struct ReferenceFloat {
  using Type = float;
  static constexpr Backend backend = Backend::reference;
  static constexpr double near = 1e-5;
};
struct CpuFloat {
  using Type = float;
  static constexpr Backend backend = Backend::cpu;
  static constexpr double near = 1e-5;
};
using Kernels = ::testing::Types<ReferenceDouble, ReferenceFloat, CpuFloat>;
TYPED_TEST_SUITE(LapsumLaws, Kernels);

TYPED_TEST(LapsumLaws, ProbabilitiesSumToK) {
  std::mt19937_64 random(kSeed);
  OnDevice device(TypeParam::backend);
  for (int problem_id = 0; problem_id < 1000; ++problem_id) {
    const LapsumProblem problem = test::random_problem(random);

    const auto p =
        test::probabilities(test::solve<typename TypeParam::Type>(device, problem).signed_f);

    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    const double mass = std::min(problem.k, static_cast<double>(problem.columns) - 1e-6);
    ASSERT_NEAR(sum, mass, TypeParam::near * std::max(1.0, mass)) << problem_id;
  }
}

TYPED_TEST(LapsumLaws, ProbabilitiesAgreeWithBisection) {
  std::mt19937_64 random(kSeed + 1);
  OnDevice device(TypeParam::backend);
  for (int problem_id = 0; problem_id < 500; ++problem_id) {
    const LapsumProblem problem = test::random_problem(random);
    // In a wide gap b is not determined to better than rounding; p is, wherever this holds.
    const std::vector<double> wanted = test::p_by_bisection(problem);

    const auto p =
        test::probabilities(test::solve<typename TypeParam::Type>(device, problem).signed_f);

    for (std::size_t i = 0; i < p.size(); ++i) {
      ASSERT_NEAR(p[i], wanted[i], TypeParam::near) << "problem " << problem_id << " column " << i;
    }
  }
}

TYPED_TEST(LapsumLaws, PermutedScoresGivePermutedProbabilities) {
  std::mt19937_64 random(kSeed + 2);
  OnDevice device(TypeParam::backend);
  for (int problem_id = 0; problem_id < 300; ++problem_id) {
    const LapsumProblem problem = test::random_problem(random);
    LapsumProblem reversed = problem;
    std::reverse(reversed.scores.begin(), reversed.scores.end());

    auto p = test::probabilities(test::solve<typename TypeParam::Type>(device, reversed).signed_f);

    std::reverse(p.begin(), p.end());
    const auto straight =
        test::probabilities(test::solve<typename TypeParam::Type>(device, problem).signed_f);
    for (std::size_t i = 0; i < p.size(); ++i) ASSERT_NEAR(p[i], straight[i], TypeParam::near);
  }
}

TYPED_TEST(LapsumLaws, ACommonOffsetChangesNothing) {
  std::mt19937_64 random(kSeed + 3);
  OnDevice device(TypeParam::backend);
  for (int problem_id = 0; problem_id < 300; ++problem_id) {
    LapsumProblem problem = test::random_problem(random);
    // Multiples of 1/256 below 64 stay exact in f32 next to 4096.
    for (double& score : problem.scores) {
      score = std::clamp(std::round(score * 256) / 256, -64.0, 64.0);
    }
    LapsumProblem shifted = problem;
    for (double& score : shifted.scores) score += 4096;

    const auto p =
        test::probabilities(test::solve<typename TypeParam::Type>(device, shifted).signed_f);

    const auto straight =
        test::probabilities(test::solve<typename TypeParam::Type>(device, problem).signed_f);
    for (std::size_t i = 0; i < p.size(); ++i) ASSERT_NEAR(p[i], straight[i], TypeParam::near);
  }
}

TYPED_TEST(LapsumLaws, GradientsAreFiniteAndSumToZeroOverARow) {
  std::mt19937_64 random(kSeed + 4);
  OnDevice device(TypeParam::backend);
  for (int problem_id = 0; problem_id < 500; ++problem_id) {
    const LapsumProblem problem = test::random_problem(random);

    const auto solved = test::solve<typename TypeParam::Type>(device, problem);

    double sum = 0;
    double size = 0;
    for (const auto gradient : solved.d_scores) {
      ASSERT_TRUE(std::isfinite(gradient));
      sum += static_cast<double>(gradient);
      size += std::abs(static_cast<double>(gradient));
    }
    ASSERT_TRUE(std::isfinite(solved.d_k) && std::isfinite(solved.d_alpha));
    // Each summand is f/alpha (v - v'), rounded; |v| is below 5.
    const double scale =
        5 * std::min(problem.k, static_cast<double>(problem.columns)) / problem.alpha;
    ASSERT_NEAR(sum, 0, TypeParam::near * (size + scale)) << problem_id;
  }
}

double loss(OnDevice& device, LapsumProblem problem) {
  const std::vector<double> v = std::exchange(problem.d_p, {});
  const auto p = test::probabilities(test::solve<double>(device, problem).signed_f);
  return std::inner_product(p.begin(), p.end(), v.begin(), 0.0);
}

double slope(OnDevice& device, const LapsumProblem& problem, double& at, double step) {
  const double kept = at;
  at = kept + step;
  const double above = loss(device, problem);
  at = kept - step;
  const double below = loss(device, problem);
  at = kept;
  return (above - below) / (2 * step);
}

TEST(LapsumGradient, AgreesWithFiniteDifferences) {
  std::mt19937_64 random(kSeed + 5);
  OnDevice device(Backend::reference);
  for (int problem_id = 0; problem_id < 100; ++problem_id) {
    LapsumProblem problem = test::random_problem(random);
    problem.columns = std::min<std::int64_t>(problem.columns, 24);
    problem.scores.resize(static_cast<std::size_t>(problem.columns));
    problem.d_p.resize(problem.scores.size());
    const double columns = static_cast<double>(problem.columns);
    problem.k = std::clamp(problem.k, 0.05, columns - 0.05);
    // At small alpha a step of h in the scores is h / alpha in u: the corner of the density at b,
    // and third derivatives, then show.
    const double step = 1e-6 * problem.alpha;
    const double near = 2e-5 / problem.alpha;

    const SolvedRows<double> solved = test::solve<double>(device, problem);

    for (std::size_t i = 0; i < problem.scores.size(); ++i) {
      ASSERT_NEAR(solved.d_scores[i], slope(device, problem, problem.scores[i], step), near);
    }
    // p is flat in k but for W = 0, where q jumps from one expert to another.
    const auto f = solved.signed_f;
    const double mass = std::accumulate(
        f.begin(), f.end(), 0.0, [](double sum, double each) { return sum + std::abs(each); });
    if (mass > 1e-2) {
      ASSERT_NEAR(solved.d_k, slope(device, problem, problem.k, 1e-7), 1e-4 / mass) << problem_id;
      ASSERT_NEAR(solved.d_alpha, slope(device, problem, problem.alpha, step), 50 * near);
    }
  }
}

TEST(LapsumCpu, EqualsTheReference) {
  std::mt19937_64 random(kSeed + 6);
  OnDevice cpu(Backend::cpu);
  OnDevice reference(Backend::reference);
  for (int problem_id = 0; problem_id < 1500; ++problem_id) {
    const LapsumProblem problem = test::random_problem(random);

    const SolvedRows<float> fast = test::solve<float>(cpu, problem);

    const SolvedRows<float> slow = test::solve<float>(reference, problem);
    const auto p = test::probabilities(fast.signed_f);
    const auto wanted = test::probabilities(slow.signed_f);
    const double gradient = 2e-5 * std::max(1.0, 1 / problem.alpha);
    for (std::size_t i = 0; i < p.size(); ++i) {
      ASSERT_NEAR(p[i], wanted[i], 1e-5) << "problem " << problem_id;
      ASSERT_NEAR(fast.d_scores[i], slow.d_scores[i], gradient) << "problem " << problem_id;
    }
    ASSERT_NEAR(fast.d_k, slow.d_k, gradient) << "problem " << problem_id;
  }
}

TEST(LapsumCpu, GivesARowTheSameBitsWhereverItStands) {
  std::mt19937_64 random(kSeed + 7);
  OnDevice device;
  OnDevice two_workers(Backend::cpu, /*num_threads=*/2);
  constexpr std::int64_t kRows = 37;
  for (const std::int64_t columns : {3, 16, 20, 64}) {
    LapsumProblem all{.scores = {}, .columns = columns, .k = 1.75, .alpha = 0.25, .d_p = {}};
    std::normal_distribution<double> normal;
    for (std::int64_t i = 0; i < kRows * columns; ++i) {
      all.scores.push_back(normal(random));
      all.d_p.push_back(normal(random));
    }

    const SolvedRows<float> together = test::solve<float>(two_workers, all);

    for (std::int64_t row = 0; row < kRows; ++row) {
      LapsumProblem one = all;
      one.scores.assign(all.scores.begin() + row * columns,
                        all.scores.begin() + (row + 1) * columns);
      one.d_p.assign(all.d_p.begin() + row * columns, all.d_p.begin() + (row + 1) * columns);
      const SolvedRows<float> alone = test::solve<float>(device, one);
      for (std::int64_t i = 0; i < columns; ++i) {
        const auto at = static_cast<std::size_t>(row * columns + i);
        ASSERT_EQ(together.signed_f[at], alone.signed_f[static_cast<std::size_t>(i)]);
        ASSERT_EQ(together.d_scores[at], alone.d_scores[static_cast<std::size_t>(i)]);
      }
    }
    EXPECT_EQ(test::solve<float>(device, all).d_k, together.d_k);
  }
}

TEST(LapsumCpu, SolvesWithinAFewRounds) {
  std::mt19937_64 random(kSeed + 8);
  int most = 0;
  double sum = 0;
  constexpr int kProblems = 2000;
  for (int problem_id = 0; problem_id < kProblems; ++problem_id) {
    const LapsumProblem problem = test::random_problem(random);
    std::vector<ops::cpu::Lanes> lanes;
    for (const double score : problem.scores) {
      lanes.push_back(ops::cpu::all_lanes(static_cast<float>(score)));
    }
    const ops::cpu::LaneMass k(problem.k, problem.columns);

    const auto solution = ops::cpu::solve_lapsum(lanes.data(), problem.columns, k,
                                                 static_cast<float>(1 / problem.alpha));

    most = std::max(most, solution.iterations);
    sum += solution.iterations;
  }
  EXPECT_LE(most, 5);
  EXPECT_LE(sum / kProblems, 2.0);
}

TEST(Lapsum, KeepsTheSideOfAnUnderflownProbability) {
  OnDevice device;
  const LapsumProblem problem{
      .scores = {1000.0, 0.0}, .columns = 2, .k = 1, .alpha = 0.5, .d_p = {3.0, 5.0}};

  const SolvedRows<float> solved = test::solve<float>(device, problem);

  EXPECT_EQ(solved.signed_f[0], 0.0F);
  EXPECT_EQ(solved.signed_f[1], 0.0F);
  EXPECT_THAT(test::probabilities(solved.signed_f), ::testing::ElementsAre(1.0, 0.0));
  EXPECT_DOUBLE_EQ(solved.d_k, 4.0);  // q = 1/2 each although every f is 0
}

TEST(Lapsum, RunsAllColumnsAtFullMass) {
  OnDevice device;
  const LapsumProblem problem{
      .scores = {1.0, -2.0, 0.5}, .columns = 3, .k = 7, .alpha = 1, .d_p = {}};

  const SolvedRows<float> solved = test::solve<float>(device, problem);

  for (const double p : test::probabilities(solved.signed_f)) EXPECT_NEAR(p, 1.0, 1e-6);
}

TEST(Lapsum, DoesNotHangOnNotANumber) {
  for (const Backend backend : {Backend::cpu, Backend::reference}) {
    OnDevice device(backend);
    const LapsumProblem problem{
        .scores = {1.0, std::nan(""), 0.5, 0.0}, .columns = 4, .k = 2, .alpha = 1, .d_p = {}};

    const SolvedRows<float> solved = test::solve<float>(device, problem);

    EXPECT_TRUE(std::isnan(solved.signed_f[1]));
  }
}

TEST(Lapsum, RefusesATemperatureOfZero) {
  OnDevice device;
  const LapsumProblem problem{.scores = {1.0}, .columns = 1, .k = 1, .alpha = 0, .d_p = {}};

  EXPECT_THROW(test::solve<float>(device, problem), InvalidArgument);
}

}  // namespace
}  // namespace softmoe
