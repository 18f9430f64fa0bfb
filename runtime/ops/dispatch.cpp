#include "runtime/ops/dispatch.h"

#include "runtime/ops/adamw.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/cross_entropy.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/rotary.h"
#include "runtime/ops/rows.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::ops {

namespace {

/// A tensor that an operation can do without is left out as a view of nothing.
bool is_given(const ConstTensorView& tensor) {
  return tensor.data() != nullptr;
}

}  // namespace

void fill_zero(TensorView x, Stream& stream) {
  pick<FillZeroOp>(stream, {"fill_zero", &reference::fill_zero, &cpu::fill_zero, &cuda::fill_zero})(
      x, stream);
}

void copy(ConstTensorView source, TensorView target, Stream& stream) {
  const Checks check("copy");
  check.dtype({"target", target}, source.dtype());
  check.equal("elements of target", target.elements(), source.elements());
  pick<CopyOp>(stream, {"copy", &reference::copy, &cpu::copy, &cuda::copy})(source, target, stream);
}

void add(ConstTensorView source, TensorView target, Stream& stream) {
  const Checks check("add");
  check.same_float({{"source", source}, {"target", target}});
  check.equal("elements of target", target.elements(), source.elements());
  pick<AddOp>(stream, source.dtype(), {"add", &reference::add, &cpu::add, &cuda::add})(
      source, target, stream);
}

void convert(ConstTensorView source, TensorView target, Stream& stream) {
  const Checks check("convert");
  check.same_float({{"source", source}});
  check.same_float({{"target", target}});
  check.equal("elements of target", target.elements(), source.elements());
  pick<ConvertOp>(stream, {"convert", &reference::convert, &reference::convert, &cuda::convert})(
      source, target, stream);
}

void sum(ConstTensorView x, View<double> sum, Stream& stream) {
  const Checks check("sum");
  check.same_float({{"x", x}});
  check.equal("size of sum", sum.size(), 1);
  pick<SumOp>(stream, x.dtype(), {"sum", &reference::sum, &cpu::sum, nullptr})(x, sum, stream);
}

void sum_squares(ConstTensorView x, View<double> sum, Stream& stream) {
  const Checks check("sum_squares");
  check.same_float({{"x", x}});
  check.equal("size of sum", sum.size(), 1);
  pick<SumOp>(stream, x.dtype(),
              {"sum_squares", &reference::sum_squares, &cpu::sum_squares, nullptr})(x, sum, stream);
}

void gather_rows(ConstTensorView table, View<const std::int32_t> index, TensorView out,
                 Stream& stream) {
  const Checks check("gather_rows");
  check.rank({"table", table}, 2);
  check.shape({"out", out}, {index.size(), table.dim(1)});
  check.dtype({"out", out}, table.dtype());
  pick<GatherRowsOp>(stream, {"gather_rows", &reference::gather_rows, &cpu::gather_rows,
                              &cuda::gather_rows})(table, index, out, stream);
}

void sum_rows(const SumRowsArguments& arguments, Stream& stream) {
  const Checks check("sum_rows");
  check.same_float({{"rows", arguments.rows}, {"out", arguments.out}});
  check.rank({"rows", arguments.rows}, 2);
  check.at_least("size of segment_begin", arguments.segment_begin.size(), 1);
  check.shape({"out", arguments.out}, {arguments.segment_begin.size() - 1, arguments.rows.dim(1)});
  if (arguments.onto.data() != nullptr) {
    check.same_float({{"rows", arguments.rows}, {"onto", arguments.onto}});
    check.shape({"onto", arguments.onto}, arguments.out.shape());
  }
  pick<SumRowsOp>(stream, arguments.rows.dtype(),
                  {"sum_rows", &reference::sum_rows, &cpu::sum_rows, &cuda::sum_rows})(arguments,
                                                                                       stream);
}

void add_to_rows(ConstTensorView d_out, View<const std::int32_t> index, TensorView d_table,
                 Stream& stream) {
  const Checks check("add_to_rows");
  check.same_float({{"d_out", d_out}, {"d_table", d_table}});
  check.rank({"d_table", d_table}, 2);
  check.shape({"d_out", d_out}, {index.size(), d_table.dim(1)});
  pick<AddToRowsOp>(stream, d_out.dtype(),
                    {"add_to_rows", &reference::add_to_rows, &cpu::add_to_rows, nullptr})(
      d_out, index, d_table, stream);
}

void swiglu(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF, Stream& stream) {
  const Checks check("swiglu");
  check.same_float({{"h_M2F", h_M2F}, {"a_MF", a_MF}});
  check.rank({"a_MF", a_MF}, 2);
  check.shape({"h_M2F", h_M2F}, {a_MF.dim(0), 2 * a_MF.dim(1)});
  if (is_given(gate_M)) {
    check.kept_beside({"gate_M", gate_M}, h_M2F.dtype());
    check.shape({"gate_M", gate_M}, {a_MF.dim(0)});
  }
  pick<SwigluOp>(stream, h_M2F.dtype(),
                 {"swiglu", &reference::swiglu, &cpu::swiglu, &cuda::swiglu})(h_M2F, gate_M, a_MF,
                                                                              stream);
}

void swiglu_backward(const SwigluBackwardArguments& arguments, Stream& stream) {
  const Checks check("swiglu_backward");
  const auto& [d_a_MF, h_M2F, gate_M, d_h_M2F, d_gate_M, a_MF] = arguments;
  check.same_float({{"d_a_MF", d_a_MF}, {"h_M2F", h_M2F}, {"d_h_M2F", d_h_M2F}});
  check.rank({"d_a_MF", d_a_MF}, 2);
  check.shape({"h_M2F", h_M2F}, {d_a_MF.dim(0), 2 * d_a_MF.dim(1)});
  check.shape({"d_h_M2F", d_h_M2F}, h_M2F.shape());
  if (is_given(a_MF)) {
    check.same_float({{"d_a_MF", d_a_MF}, {"a_MF", a_MF}});
    check.shape({"a_MF", a_MF}, d_a_MF.shape());
  }
  for (const NamedTensor& gate : {NamedTensor{"gate_M", gate_M}, {"d_gate_M", d_gate_M}}) {
    if (!is_given(gate.tensor)) continue;
    check.kept_beside(gate, h_M2F.dtype());
    check.shape(gate, {d_a_MF.dim(0)});
  }
  pick<SwigluBackwardOp>(stream, h_M2F.dtype(),
                         {"swiglu_backward", &reference::swiglu_backward, &cpu::swiglu_backward,
                          &cuda::swiglu_backward})(arguments, stream);
}

void rms_norm(ConstTensorView x_TH, ConstTensorView gain_H, double epsilon, TensorView y_TH,
              TensorView scale_T, Stream& stream) {
  const Checks check("rms_norm");
  check.same_float({{"x_TH", x_TH}, {"gain_H", gain_H}, {"y_TH", y_TH}});
  check.kept_beside({"scale_T", scale_T}, x_TH.dtype());
  check.rank({"x_TH", x_TH}, 2);
  check.shape({"gain_H", gain_H}, {x_TH.dim(1)});
  check.shape({"y_TH", y_TH}, x_TH.shape());
  check.shape({"scale_T", scale_T}, {x_TH.dim(0)});
  pick<RmsNormOp>(stream, x_TH.dtype(),
                  {"rms_norm", &reference::rms_norm, &cpu::rms_norm, &cuda::rms_norm})(
      x_TH, gain_H, epsilon, y_TH, scale_T, stream);
}

void rms_norm_backward(const RmsNormBackwardArguments& arguments, Stream& stream) {
  const Checks check("rms_norm_backward");
  const ConstTensorView& x_TH = arguments.x_TH;
  check.same_float({{"x_TH", x_TH},
                    {"d_y_TH", arguments.d_y_TH},
                    {"gain_H", arguments.gain_H},
                    {"d_x_TH", arguments.d_x_TH},
                    {"d_gain_H", arguments.d_gain_H}});
  check.kept_beside({"scale_T", arguments.scale_T}, x_TH.dtype());
  check.rank({"x_TH", x_TH}, 2);
  check.shape({"d_y_TH", arguments.d_y_TH}, x_TH.shape());
  check.shape({"d_x_TH", arguments.d_x_TH}, x_TH.shape());
  check.shape({"gain_H", arguments.gain_H}, {x_TH.dim(1)});
  check.shape({"d_gain_H", arguments.d_gain_H}, {x_TH.dim(1)});
  check.shape({"scale_T", arguments.scale_T}, {x_TH.dim(0)});
  pick<RmsNormBackwardOp>(stream, x_TH.dtype(),
                          {"rms_norm_backward", &reference::rms_norm_backward,
                           &cpu::rms_norm_backward, &cuda::rms_norm_backward})(arguments, stream);
}

void rotary(const RotaryArguments& arguments, Stream& stream) {
  const Checks check("rotary");
  check.same_float({{"x", arguments.x}});
  check.rank({"x", arguments.x}, 2);
  check.equal("size of position_T", arguments.position_T.size(), arguments.x.dim(0));
  check.equal("head_size modulo 2", arguments.head_size % 2, 0);
  check.at_least("head_size", arguments.head_size, 2);
  check.at_least("heads", arguments.heads, 0);
  check.at_least("first_column", arguments.first_column, 0);
  check.at_least("columns of x", arguments.x.dim(1),
                 arguments.first_column + std::int64_t{arguments.heads} * arguments.head_size);
  pick<RotaryOp>(stream, arguments.x.dtype(),
                 {"rotary", &reference::rotary, &cpu::rotary, nullptr})(arguments, stream);
}

void cross_entropy(TensorView logits_TV, View<const std::int32_t> target_T, TensorView loss_T,
                   Stream& stream) {
  const Checks check("cross_entropy");
  check.same_float({{"logits_TV", logits_TV}});
  check.kept_beside({"loss_T", loss_T}, logits_TV.dtype());
  check.rank({"logits_TV", logits_TV}, 2);
  check.equal("size of target_T", target_T.size(), logits_TV.dim(0));
  check.shape({"loss_T", loss_T}, {logits_TV.dim(0)});
  pick<CrossEntropyOp>(stream, logits_TV.dtype(),
                       {"cross_entropy", &reference::cross_entropy, &cpu::cross_entropy, nullptr})(
      logits_TV, target_T, loss_T, stream);
}

void adamw(const AdamwArguments& arguments, Stream& stream) {
  const Checks check("adamw");
  const std::int64_t size = arguments.parameter.elements();
  check.same_float({{"parameter", arguments.parameter}, {"gradient", arguments.gradient}});
  check.kept_beside({"first_moment", arguments.first_moment}, arguments.parameter.dtype());
  check.kept_beside({"second_moment", arguments.second_moment}, arguments.parameter.dtype());
  check.equal("elements of gradient", arguments.gradient.elements(), size);
  check.equal("elements of first_moment", arguments.first_moment.elements(), size);
  check.equal("elements of second_moment", arguments.second_moment.elements(), size);
  check.at_least("update", arguments.update, 1);
  pick<AdamwOp>(stream, arguments.parameter.dtype(),
                {"adamw", &reference::adamw, &cpu::adamw, nullptr})(arguments, stream);
}

}  // namespace softmoe::ops
