// Chosen by CMake where the build has no CUDA. No device of a GPU can be made then, so nobody gets
// here with one: these keep the dispatch free of cases.

#include "runtime/base/errors.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/lapsum.h"
#include "runtime/ops/pack_rows.h"
#include "runtime/ops/rank_sum.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/route_compress.h"
#include "runtime/ops/route_gates.h"
#include "runtime/ops/route_measure.h"
#include "runtime/ops/route_quota.h"
#include "runtime/ops/route_scores.h"
#include "runtime/ops/route_select.h"
#include "runtime/ops/route_softmax.h"
#include "runtime/ops/rows.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::ops::cuda {

namespace {

[[noreturn]] void refuse() {
  throw DeviceError("this build has no CUDA kernels: choose runtime.backend cpu");
}

}  // namespace

void convert(ConstTensorView, TensorView, Stream&) {
  refuse();
}

void fill_zero(TensorView, Stream&) {
  refuse();
}

void copy(ConstTensorView, TensorView, Stream&) {
  refuse();
}

void add(ConstTensorView, TensorView, Stream&) {
  refuse();
}

void gemm(const GemmArguments&, Stream&) {
  refuse();
}

void grouped_gemm(const GroupedGemmArguments&, Arena&, Stream&) {
  refuse();
}

void grouped_gemm_weight(const GroupedGemmWeightArguments&, Arena&, Stream&) {
  refuse();
}

void lapsum(const LapsumArguments&, Arena&, Stream&) {
  refuse();
}

void lapsum_vjp(const LapsumVjpArguments&, Arena&, Stream&) {
  refuse();
}

void sort_rows(const SortRowsArguments&, Arena&, Stream&) {
  refuse();
}

void pack_rows(const PackRowsArguments&, Stream&) {
  refuse();
}

template <class T>
void sum_in_rank_order(const RankSumArguments<T>&, Stream&) {
  refuse();
}

template void sum_in_rank_order(const RankSumArguments<float>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<double>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<std::int64_t>&, Stream&);

void rms_norm(ConstTensorView, ConstTensorView, double, TensorView, TensorView, Stream&) {
  refuse();
}

void rms_norm_backward(const RmsNormBackwardArguments&, Stream&) {
  refuse();
}

void route_compress(View<const std::uint32_t>, const SparseRows&, View<std::int32_t>, Arena&,
                    Stream&) {
  refuse();
}

void route_replay(const SparseRows&, const SparseRows&, View<std::int32_t>, Stream&) {
  refuse();
}

void route_gates(const RouteGatesArguments&, Stream&) {
  refuse();
}

void route_gates_backward(const RouteGatesArguments&, ConstTensorView, TensorView, Stream&) {
  refuse();
}

void route_measure(const RouteMeasureArguments&, const RouteMeasures&, Arena&, Stream&) {
  refuse();
}

void route_normalise(const RouteNormaliseArguments&, Arena&, Stream&) {
  refuse();
}

void route_normalise_backward(const RouteNormaliseBackwardArguments&, Arena&, Stream&) {
  refuse();
}

void route_noise(const RouteNoiseArguments&, Stream&) {
  refuse();
}

void route_select(const RouteChoice&, View<std::uint32_t>, Arena&, Stream&) {
  refuse();
}

void route_quota(const RouteQuotaArguments&, Arena&, Stream&) {
  refuse();
}

void route_hash(const RouteHashArguments&, Stream&) {
  refuse();
}

void route_softmax(ConstTensorView, TensorView, Arena&, Stream&) {
  refuse();
}

void route_softmax_vjp(const RouteSoftmaxVjpArguments&, Arena&, Stream&) {
  refuse();
}

void route_penalty(const RoutePenaltyArguments&, View<double>, Arena&, Stream&) {
  refuse();
}

void route_penalty_backward(const RoutePenaltyArguments&, TensorView, Arena&, Stream&) {
  refuse();
}

void gather_rows(ConstTensorView, View<const std::int32_t>, TensorView, Stream&) {
  refuse();
}

void sum_rows(const SumRowsArguments&, Stream&) {
  refuse();
}

void swiglu(ConstTensorView, ConstTensorView, TensorView, Stream&) {
  refuse();
}

void swiglu_backward(const SwigluBackwardArguments&, Stream&) {
  refuse();
}

}  // namespace softmoe::ops::cuda
