#pragma once

// Choosing columns of a row. Letters: R rows, C columns, W = ceil(C / 32) words of one bit per
// column.

#include <cstdint>

#include "runtime/base/philox.h"
#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// Words that hold one bit for each of `columns`.
[[nodiscard]] constexpr std::int64_t num_choice_words(std::int64_t columns) {
  return (columns + 31) / 32;
}

/// Which scores of a row are chosen: those with u > cut, u = (r - c) / alpha + delta, but at least
/// `at_least` and at most `at_most` of them. Who has to leave or to join is decided by score, then
/// by the smaller column. Without an anchor no score is above the cut: then the best `at_least` are
/// chosen.
struct RouteChoice {
  ConstTensorView scores_RC;  ///< f32 or f64
  ConstTensorView anchor_R2;  ///< (c, delta) of a row, as ops::lapsum gives them; or TensorView{}
  double alpha = 1.0;
  double cut = 0.0;  ///< in units of alpha, relative to b
  int at_least = 0;  ///< 0 <= at_least <= at_most <= C
  int at_most = 0;
};

/// @param chosen_RW  [R * W], bit c % 32 of word c / 32 is set for a chosen column c
/// @param scratch    released before return
/// @throws InvalidArgument naming the limits if they do not hold.
using RouteSelectOp = void(const RouteChoice& choice, View<std::uint32_t> chosen_RW, Arena& scratch,
                           Stream& stream);
RouteSelectOp route_select;
namespace reference {
RouteSelectOp route_select;
}
namespace cpu {
RouteSelectOp route_select;
}
namespace cuda {
RouteSelectOp route_select;
}

/// `count` different columns for each row, drawn uniformly with the numbers of index id_R[row]:
/// equal ids choose equally.
struct RouteHashArguments {
  View<const std::int32_t> id_R;
  RandomKey key;
  int count = 1;
  std::int64_t columns = 1;       ///< C >= count
  View<std::uint32_t> chosen_RW;  ///< [R * W], as above
};

/// @throws InvalidArgument naming the limits if they do not hold.
using RouteHashOp = void(const RouteHashArguments& arguments, Stream& stream);
RouteHashOp route_hash;
namespace reference {
RouteHashOp route_hash;
}
namespace cpu {
RouteHashOp route_hash;
}
namespace cuda {
RouteHashOp route_hash;
}

}  // namespace softmoe::ops
