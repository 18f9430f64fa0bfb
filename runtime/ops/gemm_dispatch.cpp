#include "runtime/ops/checks.h"
#include "runtime/ops/dispatch.h"
#include "runtime/ops/gemm.h"

namespace softmoe::ops {

namespace {

void check_runs(const Checks& check, const Stream& stream, std::int64_t runs) {
  check.at_least("runs", runs, 1);
  if (runs > 1 && stream.backend() == Backend::cuda) refuse_cuda("a grouped product over runs");
}

}  // namespace

namespace {

void check_gemm(const GemmArguments& arguments) {
  const Checks check("gemm");
  const auto& [a, b, c, transpose_a, transpose_b, alpha, beta] = arguments;
  check.same_float({{"a", a}, {"b", b}, {"c", c}});
  check.rank({"a", a}, 2);
  check.rank({"b", b}, 2);
  const bool a_is_transposed = transpose_a == Transpose::yes;
  const bool b_is_transposed = transpose_b == Transpose::yes;
  const std::int64_t k = a.dim(a_is_transposed ? 0 : 1);
  const std::int64_t n = b.dim(b_is_transposed ? 0 : 1);
  check.shape({"b", b}, b_is_transposed ? Shape{n, k} : Shape{k, n});
  check.shape({"c", c}, {a.dim(a_is_transposed ? 1 : 0), n});
}

}  // namespace

void gemm(const GemmArguments& arguments, Stream& stream) {
  check_gemm(arguments);
  pick<GemmOp>(stream, arguments.a.dtype(), {"gemm", &reference::gemm, &cpu::gemm, &cuda::gemm})(
      arguments, stream);
}

void gemm_pair(const GemmArguments& first, const GemmArguments& second, Stream& stream) {
  if (has_vector_kernels(stream, first.a.dtype()) && has_vector_kernels(stream, second.a.dtype())) {
    check_gemm(first);
    check_gemm(second);
    cpu::gemm_pair(first, second, stream);
    return;
  }
  gemm(first, stream);
  gemm(second, stream);
}

void grouped_gemm(const GroupedGemmArguments& arguments, Arena& scratch, Stream& stream) {
  const Checks check("grouped_gemm");
  const auto& [rows, weights, out, transpose_weights, row_begin, runs] = arguments;
  check.same_float({{"rows", rows}, {"weights", weights}, {"out", out}});
  check.rank({"rows", rows}, 2);
  check.rank({"weights", weights}, 3);
  const std::int64_t k = rows.dim(1);
  const std::int64_t n = weights.dim(transpose_weights == Transpose::yes ? 1 : 2);
  check.shape({"weights", weights}, transpose_weights == Transpose::yes
                                        ? Shape{weights.dim(0), n, k}
                                        : Shape{weights.dim(0), k, n});
  check.shape({"out", out}, {rows.dim(0), n});
  check_runs(check, stream, runs);
  check.groups(row_begin, weights.dim(0) * runs, rows.dim(0));
  pick<GroupedGemmOp>(stream, rows.dtype(),
                      {"grouped_gemm", &reference::grouped_gemm, &cpu::grouped_gemm,
                       &cuda::grouped_gemm})(arguments, scratch, stream);
}

void grouped_gemm_weight(const GroupedGemmWeightArguments& arguments, Arena& scratch,
                         Stream& stream) {
  const Checks check("grouped_gemm_weight");
  const auto& [d_out, rows, d_weights, beta, row_begin, runs, run] = arguments;
  check.same_float({{"d_out", d_out}, {"rows", rows}, {"d_weights", d_weights}});
  check.rank({"rows", rows}, 2);
  check.rank({"d_weights", d_weights}, 3);
  check.shape({"d_out", d_out}, {rows.dim(0), d_weights.dim(1)});
  check.shape({"d_weights", d_weights}, {d_weights.dim(0), d_weights.dim(1), rows.dim(1)});
  check_runs(check, stream, runs);
  check.at_least("run", run, 0);
  check.at_least("runs", runs, run + 1);
  check.groups(row_begin, d_weights.dim(0) * runs, rows.dim(0));
  pick<GroupedGemmWeightOp>(stream, rows.dtype(),
                            {"grouped_gemm_weight", &reference::grouped_gemm_weight,
                             &cpu::grouped_gemm_weight, &cuda::grouped_gemm_weight})(
      arguments, scratch, stream);
}

}  // namespace softmoe::ops
