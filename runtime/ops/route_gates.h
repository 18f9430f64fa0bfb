#pragma once

// Weights of the chosen columns. Letters: R rows, C columns, N entries.

#include "runtime/device/stream.h"
#include "runtime/device/view.h"
#include "runtime/ops/route_compress.h"

namespace softmoe::ops {

/// The gate of an entry, from the probability p of its column.
enum class GateForm : std::uint8_t {
  probability,  ///< p
  excess,       ///< p - tau; p itself for the only entry of a row if it is not above tau
  share,        ///< p / sum of p over the entries of the row; equal gates if all p are 0
  equal,        ///< 1 / entries of the row, whatever p
};

struct RouteGatesArguments {
  SparseRows sparse;
  ConstTensorView signed_f_RC;  ///< p as in lapsum_values.h, f32 or f64; not read with `equal`
  GateForm form = GateForm::probability;
  double tau = 0.0;   ///< for `excess`
  TensorView gate_N;  ///< [capacity], entries below row_begin_R1[R] are written
};

using RouteGatesOp = void(const RouteGatesArguments& arguments, Stream& stream);
RouteGatesOp route_gates;
namespace reference {
RouteGatesOp route_gates;
}
namespace cpu {
RouteGatesOp route_gates;
}
namespace cuda {
RouteGatesOp route_gates;
}

/// d_p_RC := the gradient by p, the pattern held constant: zero outside it.
/// @param forward   as in the forward call, gate_N filled
/// @param d_gate_N  [at least N]
/// @param d_p_RC    [R, C], overwritten
using RouteGatesBackwardOp = void(const RouteGatesArguments& forward, ConstTensorView d_gate_N,
                                  TensorView d_p_RC, Stream& stream);
RouteGatesBackwardOp route_gates_backward;
namespace reference {
RouteGatesBackwardOp route_gates_backward;
}
namespace cpu {
RouteGatesBackwardOp route_gates_backward;
}
namespace cuda {
RouteGatesBackwardOp route_gates_backward;
}

}  // namespace softmoe::ops
