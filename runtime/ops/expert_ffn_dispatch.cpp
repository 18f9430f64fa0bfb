#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/cpu/product.h"
#include "runtime/ops/dispatch.h"
#include "runtime/ops/expert_ffn.h"

namespace softmoe::ops {

bool takes_experts_one_by_one(const Stream& stream, ConstTensorView h_M2F, const ExpertRows& rows) {
  if (!has_vector_kernels(stream, h_M2F.dtype())) return false;
  std::int64_t longest = 0;
  std::int64_t block = 0;
  for (std::size_t run = 1; run < rows.row_begin.size(); ++run) {
    const std::int64_t count = rows.row_begin[run] - rows.row_begin[run - 1];
    longest = std::max(longest, count);
    block = std::max(block, std::min(count, cpu::block_rows(count)));
  }
  // A product needs room for its weights besides.
  constexpr std::int64_t kCacheBytes = std::int64_t{5} << 18;
  // With runs of half a share at most, none of the workers is left alone for long.
  const int workers = stream.workers().size();
  const std::int64_t least_rows = workers == 1 ? longest : 2 * workers * longest;
  return block * h_M2F.dim(1) * size_of(h_M2F.dtype()) <= kCacheBytes && least_rows <= h_M2F.dim(0);
}

namespace {

/// What both directions are given.
struct ExpertTensors {
  ConstTensorView x_MH;
  ConstTensorView gate_M;
  ConstTensorView gate_up_e2FH;
  ConstTensorView down_eHF;
  ConstTensorView h_M2F;
  ConstTensorView a_MF;
};

void check_experts(const Checks& check, const ExpertTensors& tensors, const ExpertRows& rows,
                   const Stream& stream) {
  const auto& [x_MH, gate_M, gate_up_e2FH, down_eHF, h_M2F, a_MF] = tensors;
  check.rank({"x_MH", x_MH}, 2);
  check.rank({"a_MF", a_MF}, 2);
  check.rank({"down_eHF", down_eHF}, 3);
  check.at_least("runs", rows.runs, 1);
  const std::int64_t experts = down_eHF.dim(0);
  const std::int64_t hidden = x_MH.dim(1);
  const std::int64_t inner = a_MF.dim(1);
  check.same_float({{"x_MH", x_MH},
                    {"gate_M", gate_M},
                    {"gate_up_e2FH", gate_up_e2FH},
                    {"down_eHF", down_eHF},
                    {"h_M2F", h_M2F},
                    {"a_MF", a_MF}});
  check.shape({"gate_M", gate_M}, {x_MH.dim(0)});
  check.shape({"gate_up_e2FH", gate_up_e2FH}, {experts, 2 * inner, hidden});
  check.shape({"down_eHF", down_eHF}, {experts, hidden, inner});
  check.shape({"h_M2F", h_M2F}, {x_MH.dim(0), 2 * inner});
  check.shape({"a_MF", a_MF}, {x_MH.dim(0), inner});
  check.groups(rows.row_begin, experts * rows.runs, x_MH.dim(0));
  require(takes_experts_one_by_one(stream, h_M2F, rows),
          "experts are taken one by one where takes_experts_one_by_one() says so");
}

}  // namespace

void expert_ffn(const ExpertFfnArguments& arguments, Stream& stream) {
  const Checks check("expert_ffn");
  const auto& [x_MH, gate_M, gate_up_e2FH, down_eHF, h_M2F, a_MF, y_MH, rows] = arguments;
  check_experts(check, {x_MH, gate_M, gate_up_e2FH, down_eHF, h_M2F, a_MF}, rows, stream);
  check.shape({"y_MH", y_MH}, x_MH.shape());
  cpu::expert_ffn(arguments, stream);
}

void expert_ffn_backward(const ExpertFfnBackwardArguments& arguments, Stream& stream) {
  const Checks check("expert_ffn_backward");
  check_experts(check,
                {arguments.x_MH, arguments.gate_M, arguments.gate_up_e2FH, arguments.down_eHF,
                 arguments.h_M2F, arguments.a_MF},
                arguments.rows, stream);
  check.shape({"d_y_MH", arguments.d_y_MH}, arguments.x_MH.shape());
  check.shape({"d_x_MH", arguments.d_x_MH}, arguments.x_MH.shape());
  check.shape({"d_gate_M", arguments.d_gate_M}, arguments.gate_M.shape());
  check.shape({"d_gate_up_e2FH", arguments.d_gate_up_e2FH}, arguments.gate_up_e2FH.shape());
  check.shape({"d_down_eHF", arguments.d_down_eHF}, arguments.down_eHF.shape());
  check.equal("runs", arguments.rows.runs, 1);
  cpu::expert_ffn_backward(arguments, stream);
}

}  // namespace softmoe::ops
