#pragma once

// Letters: R rows, C columns.

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// LapSum (Struski et al., arXiv 2503.06242): with F the unit Laplace distribution function, finds
/// for every row of scores r the one b with sum_i F((r_i - b) / alpha) = k, and gives
///
///     u_i = (r_i - b) / alpha,   p_i = F(u_i),   f_i = min(p_i, 1 - p_i) = density at u_i.
///
/// b itself is never formed: far from zero it would cost all digits of r - b. A row keeps an
/// *anchor*, a score c next to b, and delta = (c - b) / alpha, so that u_i = (r_i - c) / alpha +
/// delta has no cancellation.
struct LapsumArguments {
  ConstTensorView scores_RC;  ///< [R, C], f32 or f64, finite
  double k = 1.0;             ///< mass of a row; clamped to [1e-6, C - 1e-6], so k >= C gives p = 1
  double alpha = 1.0;         ///< temperature > 0, in units of the scores
  TensorView signed_f_RC;     ///< [R, C], receives f, its sign as in lapsum_values.h
  TensorView anchor_R2;       ///< [R, 2], receives (c, delta)
};

/// reference: the closed form over sorted scores. cpu: a sort-free solver over 16 rows at once; f64
/// goes to the reference. cuda: the same solver, one warp a row, f32 and at most 512 columns. A row
/// gets the same bits wherever it stands and whatever the workers.
/// @param scratch  released before return
/// @throws InvalidArgument naming types and shapes if they do not fit, or if alpha <= 0.
/// @throws DeviceError on a GPU naming the limit that a row exceeds.
using LapsumOp = void(const LapsumArguments& arguments, Arena& scratch, Stream& stream);
LapsumOp lapsum;
namespace reference {
LapsumOp lapsum;
}
namespace cpu {
LapsumOp lapsum;
}
namespace cuda {
LapsumOp lapsum;
}

/// With v the gradient by p, q = f / sum f, v' = sum q v and u' = sum q u of a row:
///
///     d_r_i = f_i / alpha (v_i - v'),   d_k = v',   d_alpha = -1 / alpha sum f_i v_i (u_i - u').
///
/// Where sum f is too small for q, q is the softmax of -|u|: d_k is right even if every f is 0.
struct LapsumVjpArguments {
  LapsumArguments forward;  ///< as in the forward call, its outputs filled
  ConstTensorView d_p_RC;   ///< [R, C]
  TensorView d_scores_RC;   ///< [R, C], overwritten; may be d_p_RC
  View<double> d_k;         ///< [1], the sum over rows is added
  View<double> d_alpha;     ///< [1], the sum over rows is added; empty: not wanted
};

/// Sums over rows are in f64 in an order that depends on R alone.
/// @param scratch  released before return
/// @throws InvalidArgument naming types and shapes if they do not fit.
using LapsumVjpOp = void(const LapsumVjpArguments& arguments, Arena& scratch, Stream& stream);
LapsumVjpOp lapsum_vjp;
namespace reference {
LapsumVjpOp lapsum_vjp;
}
namespace cpu {
LapsumVjpOp lapsum_vjp;
}
namespace cuda {
LapsumVjpOp lapsum_vjp;
}

}  // namespace softmoe::ops
