#include "bench/kernel_layer.h"

#include <algorithm>
#include <utility>

#include "bench/made_up_numbers.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/route_compress.h"
#include "runtime/ops/route_scores.h"

namespace softmoe::bench {

namespace {

// The router computes in f32 whatever rows are stored in.
constexpr DType kScore = DType::f32;

}  // namespace

KernelLayer::KernelLayer(const LayerSize& size, Workspace& work)
    : size_(size),
      work_(work),
      storage_(size.element == 2 ? DType::bf16 : DType::f32),
      router_(make_router()) {
  add_forward_router_calls();
  learn_rows();
  add_backward_router_calls();
  add_row_calls();
  add_expert_calls();
  add_other_calls();
}

TensorView KernelLayer::numbers(DType dtype, Shape shape, std::uint64_t seed) {
  const TensorView tensor = room(dtype, shape);
  visit_float(dtype, [&]<class T>() { make_up(tensor.as<T>(), seed, 1.0, work_.compute); });
  return tensor;
}

TensorView KernelLayer::zeros(DType dtype, Shape shape) {
  const TensorView tensor = room(dtype, shape);
  ops::fill_zero(tensor, work_.compute);
  return tensor;
}

KernelLayer::Router KernelLayer::make_router() {
  const std::int64_t t = size_.tokens;
  const std::int64_t e = size_.experts;
  const std::int64_t k = size_.rows / t;
  Router router{.logits_TE = numbers(kScore, {t, e}, 1),
                .gain_1 = numbers(kScore, {1}, 2),
                .d_gain_1 = zeros(kScore, {1}),
                .scores_TE = room(kScore, {t, e}),
                .centred_TE = room(kScore, {t, e}),
                .scale_T = room(kScore, {t}),
                .d_p_TE = zeros(kScore, {t, e}),
                .d_scores_TE = zeros(kScore, {t, e}),
                .d_logits_TE = room(kScore, {t, e}),
                .chosen = work_.saved.push<std::uint32_t>(t * ops::num_choice_words(e)),
                .count_E = work_.saved.push<std::int32_t>(e),
                .d_k = zeros(DType::f64, {1}).as<double>(),
                .penalty_sums = zeros(DType::f64, {ops::kNumPenaltySums}).as<double>()};
  router.lapsum = {.scores_RC = router.scores_TE,
                   .k = static_cast<double>(k),
                   .alpha = 0.5,
                   .signed_f_RC = room(kScore, {t, e}),
                   .anchor_R2 = room(kScore, {t, 2})};
  router.choice = {.scores_RC = router.scores_TE,
                   .anchor_R2 = router.lapsum.anchor_R2,
                   .alpha = router.lapsum.alpha,
                   .at_least = static_cast<int>(k),
                   .at_most = static_cast<int>(k)};
  router.gates = {.sparse = {.row_begin_R1 = work_.saved.push<std::int32_t>(t + 1),
                             .column_N = work_.saved.push<std::int32_t>(t * k)},
                  .signed_f_RC = router.lapsum.signed_f_RC,
                  .gate_N = zeros(kScore, {t * k})};
  router.penalty = {.scores_RC = router.scores_TE, .weight_C = numbers(kScore, {e}, 3).as<float>()};
  router.measures = {.count_C = zeros(DType::i64, {e}).as<std::int64_t>(),
                     .tallies = zeros(DType::i64, {ops::kNumRouteTallies}).as<std::int64_t>(),
                     .margin_bins = zeros(DType::i64, {ops::kRouteMarginBins}).as<std::int64_t>(),
                     .size_bins = zeros(DType::i64, {ops::kRouteSizeBins}).as<std::int64_t>(),
                     .masses = zeros(DType::f64, {ops::kNumRouteMasses}).as<double>()};
  return router;
}

void KernelLayer::add_forward_router_calls() {
  Arena& scratch = work_.scratch;
  Stream& stream = work_.compute;
  const Router& router = router_;
  calls_.push_back({"route_normalise", [&] {
                      ops::route_normalise({.x_RC = router.logits_TE,
                                            .gain = router.gain_1,
                                            .y_RC = router.scores_TE,
                                            .n_RC = router.centred_TE,
                                            .scale_R = router.scale_T},
                                           scratch, stream);
                    }});
  calls_.push_back({"lapsum", [&] { ops::lapsum(router.lapsum, scratch, stream); }});
  calls_.push_back(
      {"route_select", [&] { ops::route_select(router.choice, router.chosen, scratch, stream); }});
  calls_.push_back({"route_compress", [&] {
                      ops::route_compress(router.chosen, router.gates.sparse, router.count_E,
                                          scratch, stream);
                    }});
  calls_.push_back({"route_gates", [&] { ops::route_gates(router.gates, stream); }});
  calls_.push_back({"route_measure", [&] {
                      ops::route_measure(
                          {.choice = router.choice, .gates = router.gates, .mass = router.lapsum.k},
                          router.measures, scratch, stream);
                    }});
  calls_.push_back({"route_penalty", [&] {
                      ops::route_penalty(router.penalty, router.penalty_sums, scratch, stream);
                    }});
}

void KernelLayer::add_backward_router_calls() {
  Arena& scratch = work_.scratch;
  Stream& stream = work_.compute;
  const Router& router = router_;
  calls_.push_back({"route_gates_backward", [&] {
                      ops::route_gates_backward(router.gates, router.gates.gate_N, router.d_p_TE,
                                                stream);
                    }});
  calls_.push_back({"lapsum_vjp", [&] {
                      ops::lapsum_vjp({.forward = router.lapsum,
                                       .d_p_RC = router.d_p_TE,
                                       .d_scores_RC = router.d_scores_TE,
                                       .d_k = router.d_k,
                                       .d_alpha = {}},
                                      scratch, stream);
                    }});
  calls_.push_back(
      {"route_penalty_backward",
       [&] { ops::route_penalty_backward(router.penalty, router.d_scores_TE, scratch, stream); }});
  calls_.push_back({"route_normalise_backward", [&] {
                      ops::route_normalise_backward({.d_y_RC = router.d_scores_TE,
                                                     .n_RC = router.centred_TE,
                                                     .scale_R = router.scale_T,
                                                     .gain = router.gain_1,
                                                     .d_x_RC = router.d_logits_TE,
                                                     .d_gain = router.d_gain_1},
                                                    scratch, stream);
                    }});
}

void KernelLayer::learn_rows() {
  for (const KernelCall& call : calls_) call.enqueue();
  HostBuffer<std::int32_t> landed;
  const HostCopy<std::int32_t> counts(router_.count_E, landed, work_.compute);
  row_begin_e1_.assign(1, 0);
  for (const std::int32_t count : counts.wait())
    row_begin_e1_.push_back(row_begin_e1_.back() + count);
  rows_ = row_begin_e1_.back();
}

}  // namespace softmoe::bench
