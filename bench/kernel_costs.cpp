#include "bench/kernel_costs.h"

#include <fmt/format.h>

namespace softmoe::bench {

namespace {

constexpr double kFloat = 4;
constexpr double kInteger = 4;

/// The router's operations, all in f32.
void add_router_costs(const LayerSize& size, std::vector<KernelCost>& costs) {
  const auto t = static_cast<double>(size.tokens);
  const auto n = static_cast<double>(size.rows);
  const double scores = t * static_cast<double>(size.experts);
  const double words = t * static_cast<double>((size.experts + 31) / 32);
  const auto rounds = static_cast<double>(size.lapsum_rounds);
  costs.push_back({"route_normalise", 3 * kFloat * scores + kFloat * t, 7 * scores});
  // A round: compare, count, two extremes, distance, exponential, two sums; at the end u and f.
  costs.push_back({"lapsum", 2 * kFloat * scores + 2 * kFloat * t, (9 * rounds + 5) * scores});
  costs.push_back({"route_select", kFloat * scores + 2 * kFloat * t + kInteger * words,
                   3 * scores + 2 * n * static_cast<double>(size.experts)});
  costs.push_back({"route_compress", kInteger * (2 * words + t + n), 2 * scores});
  costs.push_back({"route_gates", (2 * kFloat + kInteger) * n, 2 * n});
  costs.push_back({"route_measure", 2 * kFloat * scores + kFloat * n, 8 * scores});
  costs.push_back({"route_penalty", kFloat * scores, 7 * scores});
  costs.push_back({"route_gates_backward", kFloat * scores + (kFloat + kInteger) * n, n});
  costs.push_back({"lapsum_vjp", 3 * kFloat * scores, 7 * scores});
  costs.push_back({"route_penalty_backward", 3 * kFloat * scores, 8 * scores});
  costs.push_back({"route_normalise_backward", 3 * kFloat * scores + kFloat * t, 8 * scores});
}

/// Moving rows to their experts' order and back.
void add_row_costs(const LayerSize& size, std::vector<KernelCost>& costs) {
  const auto n = static_cast<double>(size.rows);
  const double row = static_cast<double>(size.hidden * size.element);
  const double tokens = static_cast<double>(size.tokens) * row;
  const double sums = n * static_cast<double>(size.hidden);
  costs.push_back({"sort_rows", 5 * kInteger * n, 0});
  costs.push_back({"pack_rows", tokens + n * row + kInteger * n, 0});
  costs.push_back({"sum_rows", n * row + 2 * tokens + kInteger * n, sums});
}

/// The experts: three products forward (two of them one call), their gradients, the activation.
void add_expert_costs(const LayerSize& size, std::vector<KernelCost>& costs) {
  const auto m = static_cast<double>(size.rows);
  const auto h = static_cast<double>(size.hidden);
  const auto f = static_cast<double>(size.inner);
  const auto e = static_cast<double>(size.experts);
  const auto element = static_cast<double>(size.element);
  costs.push_back(
      {"grouped_gemm gate_up", element * (m * h + e * 2 * f * h + m * 2 * f), 2 * m * h * 2 * f});
  costs.push_back({"swiglu", element * 3 * m * f + kFloat * m, 6 * m * f});
  costs.push_back({"grouped_gemm down", element * (m * f + e * f * h + m * h), 2 * m * h * f});
  costs.push_back({"swiglu_backward", element * 6 * m * f + 2 * kFloat * m, 17 * m * f});
  costs.push_back({"grouped_gemm_weight gate_up", element * (m * 2 * f + m * h + 2 * e * 2 * f * h),
                   2 * m * h * 2 * f});
  costs.push_back(
      {"grouped_gemm_weight down", element * (m * h + m * f + 2 * e * f * h), 2 * m * h * f});
}

/// The rest of what has kernels.
void add_other_costs(const LayerSize& size, std::vector<KernelCost>& costs) {
  const double numbers = static_cast<double>(size.tokens * size.hidden);
  const auto element = static_cast<double>(size.element);
  const double scales = kFloat * static_cast<double>(size.tokens);
  costs.push_back({"rms_norm", 2 * element * numbers + scales, 5 * numbers});
  costs.push_back({"rms_norm_backward", 4 * element * numbers + scales, 12 * numbers});
  costs.push_back({"convert", (element + kFloat) * numbers, 0});
  costs.push_back({"add", 3 * element * numbers, numbers});
  costs.push_back({"gather_rows", 2 * element * numbers + scales, 0});
}

}  // namespace

std::vector<KernelCost> kernel_costs(const LayerSize& size) {
  std::vector<KernelCost> costs;
  add_router_costs(size, costs);
  add_row_costs(size, costs);
  add_expert_costs(size, costs);
  add_other_costs(size, costs);
  return costs;
}

std::vector<std::string> as_table(const std::vector<KernelCost>& costs) {
  std::vector<std::string> lines = {"| kernel | megabytes | megaflops | flops per byte |",
                                    "|---|---|---|---|"};
  for (const KernelCost& cost : costs) {
    lines.push_back(fmt::format("| {} | {:.1f} | {:.1f} | {:.3g} |", cost.kernel, cost.bytes / 1e6,
                                cost.flops / 1e6, cost.intensity()));
  }
  return lines;
}

}  // namespace softmoe::bench
