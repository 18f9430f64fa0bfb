#pragma once

// The softmax of router scores: as the choice of the top-k baseline, and in the terms that keep
// columns evenly used. Letters: R rows, C columns.

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// p := softmax of each row of scores, stored as signed f (lapsum_values.h).
/// @param scratch  released before return
using RouteSoftmaxOp = void(ConstTensorView scores_RC, TensorView signed_f_RC, Arena& scratch,
                            Stream& stream);
RouteSoftmaxOp route_softmax;
namespace reference {
RouteSoftmaxOp route_softmax;
}
namespace cpu {
RouteSoftmaxOp route_softmax;
}
namespace cuda {
RouteSoftmaxOp route_softmax;
}

/// d_r_i = p_i (v_i - sum p v).
struct RouteSoftmaxVjpArguments {
  ConstTensorView signed_f_RC;
  ConstTensorView d_p_RC;
  TensorView d_scores_RC;  ///< overwritten; may be d_p_RC
};

/// @param scratch  released before return
using RouteSoftmaxVjpOp = void(const RouteSoftmaxVjpArguments& arguments, Arena& scratch,
                               Stream& stream);
RouteSoftmaxVjpOp route_softmax_vjp;
namespace reference {
RouteSoftmaxVjpOp route_softmax_vjp;
}
namespace cpu {
RouteSoftmaxVjpOp route_softmax_vjp;
}
namespace cuda {
RouteSoftmaxVjpOp route_softmax_vjp;
}

/// Two losses of the scores, sums over rows, with pi = softmax(r):
///
///     balance = sum_c weight_c pi_c,    z = z_coefficient * (log sum_c e^{r_c})^2.
struct RoutePenaltyArguments {
  ConstTensorView scores_RC;
  View<const float> weight_C;  ///< constants; empty: no balance loss
  double z_coefficient = 0.0;
};

/// Places in the sums of route_penalty.
enum class PenaltySum : std::uint8_t { balance, z, entropy };
inline constexpr int kNumPenaltySums = 3;

/// sums += (balance, z, entropy of pi in nats) over all rows, in an order that depends on R alone.
/// @param sums     [kNumPenaltySums]
/// @param scratch  released before return
using RoutePenaltyOp = void(const RoutePenaltyArguments& arguments, View<double> sums,
                            Arena& scratch, Stream& stream);
RoutePenaltyOp route_penalty;
namespace reference {
RoutePenaltyOp route_penalty;
}
namespace cpu {
RoutePenaltyOp route_penalty;
}
namespace cuda {
RoutePenaltyOp route_penalty;
}

/// d_scores_RC += the gradient of balance + z.
/// @param scratch  released before return
using RoutePenaltyBackwardOp = void(const RoutePenaltyArguments& arguments, TensorView d_scores_RC,
                                    Arena& scratch, Stream& stream);
RoutePenaltyBackwardOp route_penalty_backward;
namespace reference {
RoutePenaltyBackwardOp route_penalty_backward;
}
namespace cpu {
RoutePenaltyBackwardOp route_penalty_backward;
}
namespace cuda {
RoutePenaltyBackwardOp route_penalty_backward;
}

}  // namespace softmoe::ops
