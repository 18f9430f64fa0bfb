#include <fmt/format.h>

#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/ops/dispatch.h"
#include "runtime/ops/lapsum.h"
#include "runtime/ops/route_compress.h"
#include "runtime/ops/route_gates.h"
#include "runtime/ops/route_measure.h"
#include "runtime/ops/route_quota.h"
#include "runtime/ops/route_scores.h"
#include "runtime/ops/route_select.h"
#include "runtime/ops/route_softmax.h"

// Kernels of the router: shapes are checked here once, then the backend decides.

#include "runtime/ops/route_types.h"

namespace softmoe::ops {

namespace {

void require_like(std::string_view operation, std::string_view name, ConstTensorView tensor,
                  ConstTensorView model) {
  if (tensor.shape() == model.shape() && tensor.dtype() == model.dtype()) return;
  throw InvalidArgument(fmt::format("{}: {} is {} {}, but the scores are {} {}", operation, name,
                                    name_of(tensor.dtype()), tensor.shape().to_string(),
                                    name_of(model.dtype()), model.shape().to_string()));
}

void require_matrix(std::string_view operation, ConstTensorView scores) {
  if (scores.shape().rank() == 2 && scores.dim(1) >= 1) return;
  throw InvalidArgument(
      fmt::format("{}: scores are {}, but a matrix with at least one column is "
                  "wanted",
                  operation, scores.shape().to_string()));
}

void require_temperature(std::string_view operation, double alpha) {
  if (alpha > 0 && std::isfinite(alpha)) return;
  throw InvalidArgument(
      fmt::format("{}: the temperature is {}, but must be above 0", operation, alpha));
}

void require_anchor(std::string_view operation, ConstTensorView anchor, ConstTensorView scores) {
  if (anchor.shape() == Shape{scores.dim(0), 2} && anchor.dtype() == scores.dtype()) return;
  throw InvalidArgument(fmt::format("{}: the anchor is {}, but the scores are {}", operation,
                                    anchor.shape().to_string(), scores.shape().to_string()));
}

void require_counts(std::string_view operation, const RouteChoice& choice) {
  const std::int64_t columns = choice.scores_RC.dim(1);
  if (choice.at_least >= 0 && choice.at_least <= choice.at_most && choice.at_most <= columns)
    return;
  throw InvalidArgument(fmt::format("{}: at least {} and at most {} of {} columns", operation,
                                    choice.at_least, choice.at_most, columns));
}

void require_words(std::string_view operation, std::int64_t words, std::int64_t rows,
                   std::int64_t columns) {
  if (words == rows * num_choice_words(columns)) return;
  throw InvalidArgument(
      fmt::format("{}: {} words do not hold {} rows of {} bits", operation, words, rows, columns));
}

}  // namespace

void lapsum(const LapsumArguments& arguments, Arena& scratch, Stream& stream) {
  require_matrix("lapsum", arguments.scores_RC);
  require_like("lapsum", "signed_f", arguments.signed_f_RC, arguments.scores_RC);
  require_anchor("lapsum", arguments.anchor_R2, arguments.scores_RC);
  require_temperature("lapsum", arguments.alpha);
  if (std::isnan(arguments.k)) throw InvalidArgument("lapsum: the mass k is not a number");
  pick<LapsumOp>(stream, {"lapsum", &reference::lapsum, &cpu::lapsum, &cuda::lapsum})(
      arguments, scratch, stream);
}

void lapsum_vjp(const LapsumVjpArguments& arguments, Arena& scratch, Stream& stream) {
  require_matrix("lapsum_vjp", arguments.forward.scores_RC);
  require_like("lapsum_vjp", "d_p", arguments.d_p_RC, arguments.forward.scores_RC);
  require_like("lapsum_vjp", "d_scores", arguments.d_scores_RC, arguments.forward.scores_RC);
  require(arguments.d_k.size() == 1 && arguments.d_alpha.size() <= 1,
          "lapsum_vjp wants one number for d_k, and one or none for d_alpha");
  pick<LapsumVjpOp>(stream, {"lapsum_vjp", &reference::lapsum_vjp, &cpu::lapsum_vjp,
                             &cuda::lapsum_vjp})(arguments, scratch, stream);
}

void route_normalise(const RouteNormaliseArguments& arguments, Arena& scratch, Stream& stream) {
  require_matrix("route_normalise", arguments.x_RC);
  require_like("route_normalise", "y", arguments.y_RC, arguments.x_RC);
  require_like("route_normalise", "n", arguments.n_RC, arguments.x_RC);
  require(arguments.gain.elements() == 1, "route_normalise wants one gain");
  require(arguments.scale_R.elements() == arguments.x_RC.dim(0),
          "route_normalise wants one scale for every row");
  pick<RouteNormaliseOp>(stream, {"route_normalise", &reference::route_normalise,
                                  &cpu::route_normalise, &cuda::route_normalise})(arguments,
                                                                                  scratch, stream);
}

void route_normalise_backward(const RouteNormaliseBackwardArguments& arguments, Arena& scratch,
                              Stream& stream) {
  require_matrix("route_normalise_backward", arguments.n_RC);
  require_like("route_normalise_backward", "d_y", arguments.d_y_RC, arguments.n_RC);
  require_like("route_normalise_backward", "d_x", arguments.d_x_RC, arguments.n_RC);
  require(arguments.gain.elements() == 1 && arguments.d_gain.elements() == 1,
          "route_normalise_backward wants one gain");
  pick<RouteNormaliseBackwardOp>(
      stream, {"route_normalise_backward", &reference::route_normalise_backward,
               &cpu::route_normalise_backward, &cuda::route_normalise_backward})(arguments, scratch,
                                                                                 stream);
}

void route_noise(const RouteNoiseArguments& arguments, Stream& stream) {
  constexpr std::int64_t kMaxColumns = std::int64_t{1} << 14;
  require_matrix("route_noise", arguments.x_RC);
  if (arguments.x_RC.dim(1) > kMaxColumns) {
    throw InvalidArgument(fmt::format("route_noise: {} columns, but at most {} have numbers",
                                      arguments.x_RC.dim(1), kMaxColumns));
  }
  pick<RouteNoiseOp>(stream, {"route_noise", &reference::route_noise, &cpu::route_noise,
                              &cuda::route_noise})(arguments, stream);
}

void route_select(const RouteChoice& choice, View<std::uint32_t> chosen_RW, Arena& scratch,
                  Stream& stream) {
  require_matrix("route_select", choice.scores_RC);
  const std::int64_t columns = choice.scores_RC.dim(1);
  require_words("route_select", chosen_RW.size(), choice.scores_RC.dim(0), columns);
  if (is_present(choice.anchor_R2)) {
    require_anchor("route_select", choice.anchor_R2, choice.scores_RC);
    require_temperature("route_select", choice.alpha);
  }
  require_counts("route_select", choice);
  pick<RouteSelectOp>(stream, {"route_select", &reference::route_select, &cpu::route_select,
                               &cuda::route_select})(choice, chosen_RW, scratch, stream);
}

void route_quota(const RouteQuotaArguments& arguments, Arena& scratch, Stream& stream) {
  const RouteChoice& choice = arguments.choice;
  require_matrix("route_quota", choice.scores_RC);
  require_anchor("route_quota", choice.anchor_R2, choice.scores_RC);
  require_temperature("route_quota", choice.alpha);
  require_counts("route_quota", choice);
  const std::int64_t rows = choice.scores_RC.dim(0);
  require_words("route_quota", arguments.chosen_RW.size(), rows, choice.scores_RC.dim(1));
  require(arguments.cut_sum.size() == 1, "route_quota wants one number for the sum of cuts");
  if (arguments.num_chosen < rows * choice.at_least ||
      arguments.num_chosen > rows * choice.at_most) {
    throw InvalidArgument(fmt::format(
        "route_quota: {} pairs of {} rows, but a row has at least {} and at most {}: from {} to {}",
        arguments.num_chosen, rows, choice.at_least, choice.at_most, rows * choice.at_least,
        rows * choice.at_most));
  }
  pick<RouteQuotaOp>(stream, {"route_quota", &reference::route_quota, &cpu::route_quota,
                              &cuda::route_quota})(arguments, scratch, stream);
}

void route_hash(const RouteHashArguments& arguments, Stream& stream) {
  require_words("route_hash", arguments.chosen_RW.size(), arguments.id_R.size(), arguments.columns);
  if (arguments.count < 0 || arguments.count > arguments.columns) {
    throw InvalidArgument(
        fmt::format("route_hash: {} different columns of {}", arguments.count, arguments.columns));
  }
  pick<RouteHashOp>(stream, {"route_hash", &reference::route_hash, &cpu::route_hash,
                             &cuda::route_hash})(arguments, stream);
}

void route_compress(View<const std::uint32_t> chosen_RW, const SparseRows& sparse,
                    View<std::int32_t> count_C, Arena& scratch, Stream& stream) {
  require(sparse.row_begin_R1.size() >= 1, "route_compress wants at least the end of the rows");
  require_words("route_compress", chosen_RW.size(), sparse.row_begin_R1.size() - 1, count_C.size());
  pick<RouteCompressOp>(stream, {"route_compress", &reference::route_compress, &cpu::route_compress,
                                 &cuda::route_compress})(chosen_RW, sparse, count_C, scratch,
                                                         stream);
}

void route_replay(const SparseRows& given, const SparseRows& sparse, View<std::int32_t> count_C,
                  Stream& stream) {
  if (given.row_begin_R1.size() != sparse.row_begin_R1.size() ||
      given.column_N.size() > sparse.column_N.size()) {
    throw InvalidArgument(fmt::format(
        "route_replay: {} rows with room for {} entries are given, but there are {} with {}",
        given.row_begin_R1.size() - 1, given.column_N.size(), sparse.row_begin_R1.size() - 1,
        sparse.column_N.size()));
  }
  pick<RouteReplayOp>(stream, {"route_replay", &reference::route_replay, &cpu::route_replay,
                               &cuda::route_replay})(given, sparse, count_C, stream);
}

void route_gates(const RouteGatesArguments& arguments, Stream& stream) {
  require(arguments.gate_N.elements() == arguments.sparse.column_N.size(),
          "route_gates wants room for one gate per entry");
  pick<RouteGatesOp>(stream, {"route_gates", &reference::route_gates, &cpu::route_gates,
                              &cuda::route_gates})(arguments, stream);
}

void route_gates_backward(const RouteGatesArguments& forward, ConstTensorView d_gate_N,
                          TensorView d_p_RC, Stream& stream) {
  require(d_p_RC.shape().rank() == 2 && d_p_RC.dim(0) + 1 == forward.sparse.row_begin_R1.size(),
          "route_gates_backward wants a gradient row for every row");
  require(d_gate_N.dtype() == forward.gate_N.dtype() && d_p_RC.dtype() == forward.gate_N.dtype(),
          "route_gates_backward wants gradients of the type of the gates");
  pick<RouteGatesBackwardOp>(stream, {"route_gates_backward", &reference::route_gates_backward,
                                      &cpu::route_gates_backward, &cuda::route_gates_backward})(
      forward, d_gate_N, d_p_RC, stream);
}

void route_softmax(ConstTensorView scores_RC, TensorView signed_f_RC, Arena& scratch,
                   Stream& stream) {
  require_matrix("route_softmax", scores_RC);
  require_like("route_softmax", "signed_f", signed_f_RC, scores_RC);
  pick<RouteSoftmaxOp>(stream, {"route_softmax", &reference::route_softmax, &cpu::route_softmax,
                                &cuda::route_softmax})(scores_RC, signed_f_RC, scratch, stream);
}

void route_softmax_vjp(const RouteSoftmaxVjpArguments& arguments, Arena& scratch, Stream& stream) {
  require_matrix("route_softmax_vjp", arguments.signed_f_RC);
  require_like("route_softmax_vjp", "d_p", arguments.d_p_RC, arguments.signed_f_RC);
  require_like("route_softmax_vjp", "d_scores", arguments.d_scores_RC, arguments.signed_f_RC);
  pick<RouteSoftmaxVjpOp>(stream, {"route_softmax_vjp", &reference::route_softmax_vjp,
                                   &cpu::route_softmax_vjp, &cuda::route_softmax_vjp})(
      arguments, scratch, stream);
}

void route_penalty(const RoutePenaltyArguments& arguments, View<double> sums, Arena& scratch,
                   Stream& stream) {
  require_matrix("route_penalty", arguments.scores_RC);
  require(arguments.weight_C.empty() || arguments.weight_C.size() == arguments.scores_RC.dim(1),
          "route_penalty wants one weight for every column, or none at all");
  require(sums.size() == kNumPenaltySums, "route_penalty wants three sums");
  pick<RoutePenaltyOp>(stream, {"route_penalty", &reference::route_penalty, &cpu::route_penalty,
                                &cuda::route_penalty})(arguments, sums, scratch, stream);
}

void route_penalty_backward(const RoutePenaltyArguments& arguments, TensorView d_scores_RC,
                            Arena& scratch, Stream& stream) {
  require_matrix("route_penalty_backward", arguments.scores_RC);
  require_like("route_penalty_backward", "d_scores", d_scores_RC, arguments.scores_RC);
  pick<RoutePenaltyBackwardOp>(
      stream, {"route_penalty_backward", &reference::route_penalty_backward,
               &cpu::route_penalty_backward, &cuda::route_penalty_backward})(arguments, d_scores_RC,
                                                                             scratch, stream);
}

double route_margin_bin_edge(int bin) {
  if (bin < 0 || bin >= kRouteMarginBins) {
    throw InvalidArgument(
        fmt::format("margin bin {} does not exist: there are {}", bin, kRouteMarginBins));
  }
  return bin + 1 == kRouteMarginBins ? HUGE_VAL : std::exp2(-10 + 0.5 * bin);
}

void route_measure(const RouteMeasureArguments& arguments, const RouteMeasures& measures,
                   Arena& scratch, Stream& stream) {
  require(measures.tallies.size() == kNumRouteTallies &&
              measures.margin_bins.size() == kRouteMarginBins &&
              measures.size_bins.size() == kRouteSizeBins &&
              measures.masses.size() == kNumRouteMasses,
          "route_measure wants its sums in the sizes of its header");
  if (is_present(arguments.choice.scores_RC)) {
    require_like("route_measure", "signed_f", arguments.gates.signed_f_RC,
                 arguments.choice.scores_RC);
  }
  pick<RouteMeasureOp>(stream, {"route_measure", &reference::route_measure, &cpu::route_measure,
                                &cuda::route_measure})(arguments, measures, scratch, stream);
}

}  // namespace softmoe::ops
