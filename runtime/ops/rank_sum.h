#pragma once

// Sums of equal arrays, one from each of P ranks. Letters: n numbers of each.

#include <cstdint>

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// What one rank sums: its own numbers and those of every other rank.
template <class T>
struct RankSumArguments {
  View<T> own;    ///< [n] in: this rank's numbers; out: the sum over ranks
  View<T> peers;  ///< [(P - 1) * n] the others' by rising rank, this rank left out; overwritten
  int rank = 0;   ///< this rank's place among the P
};

/// own[i] := ((x_0[i] + x_1[i]) + x_2[i]) + ... over ranks, in the precision of T, so that the bits
/// depend on neither timing nor on who sums. T is float, double or std::int64_t.
/// @throws InvalidArgument if the sizes do not fit.
template <class T>
using RankSumOp = void(const RankSumArguments<T>& arguments, Stream& stream);
template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream);
namespace reference {
template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream);
}
namespace cpu {
template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream);
}
namespace cuda {
template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream);
}

}  // namespace softmoe::ops
