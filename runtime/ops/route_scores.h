#pragma once

// What happens to router logits before they are compared. Letters: R rows, C columns.

#include "runtime/base/philox.h"
#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// y = gain * n, n = (x - mean(x)) * s, s = 1 / sqrt(mean((x - mean(x))^2) + epsilon), per row.
/// Centred first: the RMS of raw logits would change with a common offset, which the choice
/// ignores.
struct RouteNormaliseArguments {
  ConstTensorView x_RC;  ///< f32 or f64, like all others
  ConstTensorView gain;  ///< [1]
  double epsilon = 1e-6;
  TensorView y_RC;
  TensorView n_RC;     ///< for backward
  TensorView scale_R;  ///< s, for backward
};

/// @param scratch  released before return
/// @throws InvalidArgument naming types and shapes if they do not fit.
using RouteNormaliseOp = void(const RouteNormaliseArguments& arguments, Arena& scratch,
                              Stream& stream);
RouteNormaliseOp route_normalise;
namespace reference {
RouteNormaliseOp route_normalise;
}
namespace cpu {
RouteNormaliseOp route_normalise;
}
namespace cuda {
RouteNormaliseOp route_normalise;
}

struct RouteNormaliseBackwardArguments {
  ConstTensorView d_y_RC;
  ConstTensorView n_RC;
  ConstTensorView scale_R;
  ConstTensorView gain;  ///< [1]
  TensorView d_x_RC;     ///< overwritten; may be d_y_RC
  TensorView d_gain;     ///< [1], added to; summed in f64 in an order that depends on R alone
};

/// With d_n = gain d_y: d_x = s (d_n - mean(d_n) - n mean(d_n n)), d_gain = sum of d_y n.
/// @param scratch  released before return
using RouteNormaliseBackwardOp = void(const RouteNormaliseBackwardArguments& arguments,
                                      Arena& scratch, Stream& stream);
RouteNormaliseBackwardOp route_normalise_backward;
namespace reference {
RouteNormaliseBackwardOp route_normalise_backward;
}
namespace cpu {
RouteNormaliseBackwardOp route_normalise_backward;
}
namespace cuda {
RouteNormaliseBackwardOp route_normalise_backward;
}

/// x[r][c] += standard_deviation * z, z standard normal: number c of index first_index + r of `key`
/// (block c / 4; words 0, 1 give the first two normals of a block, words 2, 3 the others).
struct RouteNoiseArguments {
  TensorView x_RC;  ///< f32 or f64; at most 2^14 columns
  double standard_deviation = 0.0;
  RandomKey key;
  std::int64_t first_index = 0;
};

using RouteNoiseOp = void(const RouteNoiseArguments& arguments, Stream& stream);
RouteNoiseOp route_noise;
namespace reference {
RouteNoiseOp route_noise;
}
namespace cpu {
RouteNoiseOp route_noise;
}
namespace cuda {
RouteNoiseOp route_noise;
}

}  // namespace softmoe::ops
