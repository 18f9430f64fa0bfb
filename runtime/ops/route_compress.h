#pragma once

// From a choice of columns to compressed rows. Letters: R rows, C columns, W words per row, N
// entries.

#include <cstdint>

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// A sparse pattern: row r owns entries [row_begin_R1[r], row_begin_R1[r + 1]). The number of
/// entries is row_begin_R1[R], known on the device only; column_N has room for at least as many.
struct SparseRows {
  View<std::int32_t> row_begin_R1;  ///< [R + 1], first 0
  View<std::int32_t> column_N;      ///< [capacity], rising within a row
};

/// Writes the chosen columns of each row one behind the other, and counts each column.
/// @param chosen_RW  [R * W], as in route_select.h; no more bits than sparse.column_N has room for
/// @param count_C    [C], overwritten
/// @param scratch    released before return
/// @throws InvalidArgument naming sizes if they do not fit.
using RouteCompressOp = void(View<const std::uint32_t> chosen_RW, const SparseRows& sparse,
                             View<std::int32_t> count_C, Arena& scratch, Stream& stream);
RouteCompressOp route_compress;
namespace reference {
RouteCompressOp route_compress;
}
namespace cpu {
RouteCompressOp route_compress;
}
namespace cuda {
RouteCompressOp route_compress;
}

/// Copies a pattern and counts its columns: what route_compress gave, for a choice made before.
/// @param given    the pattern; its column_N may have another room
/// @param sparse   receives it
/// @param count_C  [C], overwritten
using RouteReplayOp = void(const SparseRows& given, const SparseRows& sparse,
                           View<std::int32_t> count_C, Stream& stream);
RouteReplayOp route_replay;
namespace reference {
RouteReplayOp route_replay;
}
namespace cpu {
RouteReplayOp route_replay;
}
namespace cuda {
RouteReplayOp route_replay;
}

}  // namespace softmoe::ops
