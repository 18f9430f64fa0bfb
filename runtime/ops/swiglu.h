#pragma once

// Letters: M rows, F inner width.

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// a = silu(h1) * h3 * gate, with h = [h1 | h3] per row (Shazeer, arXiv 2002.05202, eq. 6).
///
/// @param h_M2F   [M, 2 F], first the gated half, then the linear half
/// @param gate_M  [M] (f64 for f64, else f32), or empty for a gate of 1
/// @param a_MF    [M, F]
using SwigluOp = void(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF,
                      Stream& stream);
SwigluOp swiglu;
namespace reference {
SwigluOp swiglu;
}
namespace cpu {
SwigluOp swiglu;
}
namespace cuda {
SwigluOp swiglu;
}

struct SwigluBackwardArguments {
  ConstTensorView d_a_MF;
  ConstTensorView h_M2F;
  ConstTensorView gate_M;  ///< or empty for 1
  TensorView d_h_M2F;      ///< may be h_M2F
  TensorView d_gate_M;     ///< [M], row dot of d_a with silu(h1) * h3; or empty. Safe for gate = 0
  TensorView a_MF;         ///< the bits of swiglu once more; may be d_a_MF; or empty
};

using SwigluBackwardOp = void(const SwigluBackwardArguments& arguments, Stream& stream);
SwigluBackwardOp swiglu_backward;
namespace reference {
SwigluBackwardOp swiglu_backward;
}
namespace cpu {
SwigluBackwardOp swiglu_backward;
}
namespace cuda {
SwigluBackwardOp swiglu_backward;
}

}  // namespace softmoe::ops
