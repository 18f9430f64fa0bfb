#pragma once

// SwiGLU experts one by one instead of operation by operation: what a product leaves in a core's
// cache, the activation and the next product find there.
// Letters: M rows, H hidden, F inner width, e experts.

#include <cstdint>
#include <span>

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// Rows of experts that lie behind one another, as grouped_gemm() has them.
struct ExpertRows {
  std::span<const std::int64_t> row_begin;  ///< host, [e * runs + 1]; lives until the stream passed
  std::int64_t runs = 1;                    ///< of each expert
};

struct ExpertFfnArguments {
  ConstTensorView x_MH;
  ConstTensorView gate_M;        ///< of each row
  ConstTensorView gate_up_e2FH;  ///< [e, 2 F, H]
  ConstTensorView down_eHF;      ///< [e, H, F]
  TensorView h_M2F;              ///< written
  TensorView a_MF;               ///< room to work in
  TensorView y_MH;               ///< written
  ExpertRows rows;
};

/// Whether experts are taken one by one: in f32 on a processor, where the inner rows of the largest
/// block stay in a core's cache, and runs are short enough to share out among the workers.
[[nodiscard]] bool takes_experts_one_by_one(const Stream& stream, ConstTensorView h_M2F,
                                            const ExpertRows& rows);

/// The bits of grouped_gemm(), swiglu() and grouped_gemm() once more, in place of them where
/// takes_experts_one_by_one(). y = (silu(h1) * h3 * gate) W_down^T with [h1 | h3] = x W_gate_up^T.
/// @throws InvalidArgument naming the shapes if they do not fit.
using ExpertFfnOp = void(const ExpertFfnArguments& arguments, Stream& stream);
ExpertFfnOp expert_ffn;
namespace cpu {
ExpertFfnOp expert_ffn;
}

struct ExpertFfnBackwardArguments {
  ConstTensorView d_y_MH;
  ConstTensorView x_MH;
  ConstTensorView gate_M;
  ConstTensorView gate_up_e2FH;
  ConstTensorView down_eHF;
  TensorView h_M2F;     ///< h, and afterwards its gradient
  TensorView a_MF;      ///< room to work in
  TensorView d_x_MH;    ///< written
  TensorView d_gate_M;  ///< written
  TensorView d_gate_up_e2FH;
  TensorView d_down_eHF;
  double gate_up_beta = 1.0;  ///< 1 adds to d_gate_up, 0 overwrites
  double down_beta = 1.0;     ///< likewise
  ExpertRows rows;            ///< in one run
};

/// The gradients of expert_ffn(), the activation computed from h again; the bits of the single
/// operations once more, in place of them where takes_experts_one_by_one().
/// @throws InvalidArgument naming the shapes if they do not fit, or if there are several runs.
using ExpertFfnBackwardOp = void(const ExpertFfnBackwardArguments& arguments, Stream& stream);
ExpertFfnBackwardOp expert_ffn_backward;
namespace cpu {
ExpertFfnBackwardOp expert_ffn_backward;
}

}  // namespace softmoe::ops
