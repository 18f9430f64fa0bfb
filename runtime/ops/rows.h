#pragma once

// Moving rows: gathers, and sums of rows in a fixed order. No scatter-add, no atomics.

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// out[i] = table[index[i]]. Any element type.
/// @param table  [R, H]; @param index [N], each in [0, R); @param out [N, H]
using GatherRowsOp = void(ConstTensorView table, View<const std::int32_t> index, TensorView out,
                          Stream& stream);
GatherRowsOp gather_rows;
namespace reference {
GatherRowsOp gather_rows;
}
namespace cpu {
GatherRowsOp gather_rows;
}
namespace cuda {
GatherRowsOp gather_rows;
}

struct SumRowsArguments {
  ConstTensorView rows;                    ///< [N, H]
  View<const std::int32_t> place_of_N;     ///< entry j of a segment reads rows[place_of_N[j]]
  View<const std::int32_t> segment_begin;  ///< [S + 1]
  /// [S, H], added to the sums; may be `out`. A default one adds nothing: empty segments give 0.
  ConstTensorView onto;
  TensorView out;  ///< [S, H]
};

/// out[s] = onto[s] + sum over j in [segment_begin[s], segment_begin[s+1]) of
/// rows[place_of_N[j]], in rising j, in fp32 (fp64 for f64), stored once.
using SumRowsOp = void(const SumRowsArguments& arguments, Stream& stream);
SumRowsOp sum_rows;
namespace reference {
SumRowsOp sum_rows;
}
namespace cpu {
SumRowsOp sum_rows;
}
namespace cuda {
SumRowsOp sum_rows;
}

/// The gradient of a gather from an embedding table: d_table[index[i]] += d_out[i] in rising i.
/// @param d_out [N, H]; @param index [N]; @param d_table [R, H]
using AddToRowsOp = void(ConstTensorView d_out, View<const std::int32_t> index, TensorView d_table,
                         Stream& stream);
AddToRowsOp add_to_rows;
namespace reference {
AddToRowsOp add_to_rows;
}
namespace cpu {
AddToRowsOp add_to_rows;
}

}  // namespace softmoe::ops
