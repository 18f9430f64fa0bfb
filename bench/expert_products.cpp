#include "bench/expert_products.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/routing_workload.h"
#include "bench/shape.h"
#include "bench/uploaded.h"
#include "runtime/base/philox.h"
#include "runtime/ops/gemm.h"

namespace softmoe::bench {

namespace {

std::vector<std::int64_t> zipf_rows(const launcher::RunConfig& config) {
  const int num_experts = config.model.experts.num_experts;
  const auto rows = static_cast<std::int64_t>(
      std::llround(mean_experts(config) * static_cast<double>(lane_tokens(config))));
  double total = 0;
  for (int expert = 0; expert < num_experts; ++expert) total += 1.0 / (expert + 1);
  std::vector<std::int64_t> row_E;
  double before = 0;
  for (int expert = 0; expert < num_experts; ++expert) {
    const double after = before + 1.0 / (expert + 1) / total;
    row_E.push_back(std::llround(static_cast<double>(rows) * after) -
                    std::llround(static_cast<double>(rows) * before));
    before = after;
  }
  return row_E;
}

}  // namespace

std::vector<std::int64_t> expert_rows(const std::string& name, const launcher::RunConfig& config) {
  if (name == "zipf") return zipf_rows(config);
  const auto workload = workload_named(name);
  if (!workload) {
    throw ConfigError(fmt::format("there are no counts '{}': take W0 to W7, or zipf", name));
  }
  constexpr std::int64_t kBurst = 3;
  return rows_per_expert({.workload = *workload,
                          .num_tokens = lane_tokens(config),
                          .num_experts = config.model.experts.num_experts,
                          .mean_experts = mean_experts(config),
                          .seed = config.training.seed,
                          .step = kBurst});
}

ExpertProducts::ExpertProducts(const model::ModelConfig& model,
                               const std::vector<std::int64_t>& row_E, Workspace& work)
    : work_(work), row_begin_E1_(1, 0) {
  for (const std::int64_t rows : row_E) row_begin_E1_.push_back(row_begin_E1_.back() + rows);
  const std::int64_t rows = row_begin_E1_.back();
  const std::int64_t experts = std::ssize(row_E);
  const std::int64_t groups = std::min<std::int64_t>(work.compute.workers().size(), experts);
  for (std::int64_t group = 0; group <= groups; ++group)
    dense_begin_G1_.push_back(rows * group / groups);
  const std::int64_t hidden = model.hidden;
  const std::int64_t inner = model.experts.inner;
  weights_ = {
      .gate_up_e2FH = {numbers({experts, 2 * inner, hidden}, 0.05),
                       numbers({experts, 2 * inner, hidden}, 0)},
      .down_eHF = {numbers({experts, hidden, inner}, 0.05), numbers({experts, hidden, inner}, 0)}};
  x_MH_ = numbers({rows, hidden}, 1);
  gate_M_ = numbers({rows}, 1);
  d_y_MH_ = numbers({rows, hidden}, 1);
  h_M2F_ = numbers({rows, 2 * inner}, 1);
  d_h_M2F_ = numbers({rows, 2 * inner}, 1);
  a_MF_ = numbers({rows, inner}, 1);
  d_a_MF_ = numbers({rows, inner}, 1);
  y_MH_ = numbers({rows, hidden}, 0);
  d_x_MH_ = numbers({rows, hidden}, 0);
  d_gate_M_ = numbers({rows}, 0);
}

TensorView ExpertProducts::numbers(Shape shape, double size) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; size != 0 && i < values.size(); ++i)
    values[i] = static_cast<float>(size * (uniform_from(philox({.seed = 7}, i)[0]) - 0.5));
  buffers_.push_back(uploaded(values, work_));
  return buffers_.back().tensor(DType::f32, shape);
}

double ExpertProducts::flops() const {
  // 2 m n k of three products forward, of six backward.
  const double hidden = static_cast<double>(x_MH_.dim(1));
  const double inner = static_cast<double>(a_MF_.dim(1));
  return 18.0 * static_cast<double>(x_MH_.dim(0)) * hidden * inner;
}

void ExpertProducts::run_products(const std::vector<std::int64_t>& row_begin) {
  using ops::Transpose;
  Stream& stream = work_.compute;
  const auto weights = weights_.experts(0, std::ssize(row_begin) - 1);
  const auto product = [&](TensorView rows, TensorView matrices, TensorView out,
                           Transpose transpose) {
    ops::grouped_gemm({.rows = rows,
                       .weights = matrices,
                       .out = out,
                       .transpose_weights = transpose,
                       .row_begin = row_begin},
                      work_.scratch, stream);
  };
  const auto weight_gradient = [&](TensorView d_out, TensorView rows, TensorView d_matrices) {
    ops::grouped_gemm_weight(
        {.d_out = d_out, .rows = rows, .d_weights = d_matrices, .row_begin = row_begin},
        work_.scratch, stream);
  };
  product(x_MH_, weights.gate_up_e2FH.value, h_M2F_, Transpose::yes);
  product(a_MF_, weights.down_eHF.value, y_MH_, Transpose::yes);
  weight_gradient(d_y_MH_, a_MF_, weights.down_eHF.gradient);
  product(d_y_MH_, weights.down_eHF.value, d_a_MF_, Transpose::no);
  weight_gradient(d_h_M2F_, x_MH_, weights.gate_up_e2FH.gradient);
  product(d_h_M2F_, weights.gate_up_e2FH.value, d_x_MH_, Transpose::no);
  stream.synchronize();
}

void ExpertProducts::run_ffn() {
  const experts::GroupedFfnRows rows{
      .x_MH = x_MH_, .gate_M = gate_M_, .h_M2F = h_M2F_, .row_begin_e1 = row_begin_E1_};
  experts::grouped_ffn(weights_, rows, y_MH_, work_);
  experts::grouped_ffn_backward(weights_, rows, d_y_MH_, d_x_MH_, d_gate_M_, work_);
  work_.compute.synchronize();
}

}  // namespace softmoe::bench
