// The 25 certified cases of tests/data/lapsum_vectors.json (see the README beside it).

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/ops/route_select.h"
#include "tests/unit/runtime_router_ops/lapsum_on_device.h"

namespace softmoe {
namespace {

using nlohmann::json;
using test::LapsumProblem;
using test::OnDevice;
using test::SolvedRows;

const json& vectors() {
  static const json loaded = [] {
    std::ifstream file(std::string(SOFTMOE_TEST_DATA) + "/lapsum_vectors.json");
    return json::parse(file);
  }();
  return loaded;
}

// The file's own tolerances: what correct code in that precision reaches, with room.
struct Tolerance {
  double p;
  double gradient;
};

template <class T>
Tolerance tolerance(double alpha) {
  const double scale = std::max(1.0, 1 / alpha);
  if (dtype_of<T> == DType::f64) return {.p = 1e-12, .gradient = 1e-12 * scale};
  return {.p = 1e-5, .gradient = 2e-5 * scale};
}

LapsumProblem problem_of(const json& vector) {
  return {.scores = vector["r"],
          .columns = vector["n"],
          .k = vector["k"],
          .alpha = vector["alpha"],
          .d_p = vector["v"]};
}

void expect_near(const std::vector<double>& values, const std::vector<double>& wanted,
                 double tolerance) {
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], wanted[i], tolerance) << "column " << i;
  }
}

template <class T>
void check_forward_and_vjp(Backend backend) {
  ASSERT_EQ(vectors()["cases"].size(), 25U);
  OnDevice device(backend);
  for (const json& vector : vectors()["cases"]) {
    SCOPED_TRACE(vector["name"]);
    const LapsumProblem problem = problem_of(vector);
    const Tolerance near = tolerance<T>(problem.alpha);

    const SolvedRows<T> solved = test::solve<T>(device, problem);

    expect_near(test::probabilities(solved.signed_f), vector["p"], near.p);
    expect_near({solved.d_scores.begin(), solved.d_scores.end()}, vector["grad_r"], near.gradient);
    EXPECT_NEAR(solved.d_k, vector["grad_k"].get<double>(), near.gradient);
    EXPECT_NEAR(solved.d_alpha, vector["grad_alpha"].get<double>(), near.gradient);
  }
}

// The paper's rule keeps p >= tau with tau clamped between the p of rank `cap` and the largest p.
// Ours keeps p > tau, at most `cap`, so tau is lowered to just below the largest p; the cap is
// exact.
double lowered_tau(const json& vector) {
  const std::vector<double> p = vector["p"];
  const double largest = *std::max_element(p.begin(), p.end());
  return std::min(vector["truncation"]["tau_raw"].get<double>(), largest) * (1 - 1e-5);
}

template <class T>
std::vector<int> select(OnDevice& device, const LapsumProblem& problem, const SolvedRows<T>& solved,
                        const json& vector) {
  const auto words = device.saved.push<std::uint32_t>(ops::num_choice_words(problem.columns));
  ops::route_select(
      {.scores_RC = device.upload(test::converted<T>(problem.scores), {1, problem.columns}),
       .anchor_R2 = device.upload(solved.anchor, {1, 2}),
       .alpha = problem.alpha,
       .cut = ops::laplace_quantile(lowered_tau(vector)),
       .at_least = 1,
       .at_most = vector["truncation"]["cap"]},
      words, device.scratch, device.stream);
  std::vector<int> active;
  const std::vector<std::uint32_t> bits = device.download(words);
  for (int i = 0; i < problem.columns; ++i) {
    if ((bits[static_cast<std::size_t>(i / 32)] >> (i % 32) & 1U) != 0) active.push_back(i);
  }
  return active;
}

template <class T>
void check_truncation(Backend backend) {
  OnDevice device(backend);
  for (const json& vector : vectors()["cases"]) {
    SCOPED_TRACE(vector["name"]);
    LapsumProblem problem = problem_of(vector);
    const SolvedRows<T> forward = test::solve<T>(device, problem);
    const json& wanted = vector["truncation"];

    const std::vector<int> active = select(device, problem, forward, vector);

    EXPECT_EQ(active, wanted["active"].get<std::vector<int>>());
    std::vector<double> d_gates(problem.d_p.size(), 0.0);
    double gate_sum = 0;
    for (const int i : active) {
      const auto column = static_cast<std::size_t>(i);
      d_gates[column] = problem.d_p[column];
      gate_sum += test::probabilities(forward.signed_f)[column];
    }
    problem.d_p = d_gates;
    const SolvedRows<T> solved = test::solve<T>(device, problem);
    const Tolerance near = tolerance<T>(problem.alpha);
    EXPECT_NEAR(gate_sum, wanted["gate_sum"].get<double>(), near.p * problem.k + near.p);
    expect_near({solved.d_scores.begin(), solved.d_scores.end()}, wanted["grad_r"], near.gradient);
    EXPECT_NEAR(solved.d_k, wanted["grad_k"].get<double>(), near.gradient);
    EXPECT_NEAR(solved.d_alpha, wanted["grad_alpha"].get<double>(), near.gradient);
  }
}

TEST(LapsumVectors, HoldForTheReferenceInDouble) {
  check_forward_and_vjp<double>(Backend::reference);
}
TEST(LapsumVectors, HoldForTheReferenceInFloat) {
  check_forward_and_vjp<float>(Backend::reference);
}
TEST(LapsumVectors, HoldForTheCpuInFloat) {
  check_forward_and_vjp<float>(Backend::cpu);
}
TEST(LapsumVectors, HoldForTheCpuInDouble) {
  check_forward_and_vjp<double>(Backend::cpu);
}

TEST(LapsumVectors, HoldBehindTheTruncationOfTheReferenceInDouble) {
  check_truncation<double>(Backend::reference);
}
TEST(LapsumVectors, HoldBehindTheTruncationOfTheReferenceInFloat) {
  check_truncation<float>(Backend::reference);
}
TEST(LapsumVectors, HoldBehindTheTruncationOfTheCpuInFloat) {
  check_truncation<float>(Backend::cpu);
}

}  // namespace
}  // namespace softmoe
