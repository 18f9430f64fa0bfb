#pragma once

// Ordering rows by key and packing them, with the number of rows known to the device only, so that
// the host need not wait for it. Letters: S segments, N rows, C room for rows, K keys.

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// Rows in segments, each with a key; N is segment_begin_S1[S]. Entries from N on are unused.
struct SortRowsArguments {
  View<const std::int32_t> segment_begin_S1;  ///< [S + 1]
  View<const std::int32_t> key_C;             ///< key of each row, in [0, K)
  View<const std::int32_t> count_K;           ///< rows of each key; they sum to N
  View<std::int32_t> row_at_C;                ///< receives: sorted place -> row
  View<std::int32_t> segment_at_C;            ///< receives: sorted place -> segment of that row
  View<std::int32_t> place_of_C;              ///< receives: row -> sorted place
};

/// Stable counting sort by key: rows of one key keep their order. cuda: K at most 4096.
/// @param scratch  released before return
using SortRowsOp = void(const SortRowsArguments& arguments, Arena& scratch, Stream& stream);
SortRowsOp sort_rows;
namespace reference {
SortRowsOp sort_rows;
}
namespace cpu {
SortRowsOp sort_rows;
}
namespace cuda {
SortRowsOp sort_rows;
}

struct PackRowsArguments {
  ConstTensorView table;                ///< [R, H]
  View<const std::int32_t> source_C;    ///< row of the table for each packed row
  View<const std::int32_t> num_rows_1;  ///< [1], on the device: N <= C
  TensorView packed;                    ///< [C, H]; rows from N on are left as they are
};

/// packed[i] = table[source[i]] for i < N. Any element type.
using PackRowsOp = void(const PackRowsArguments& arguments, Stream& stream);
PackRowsOp pack_rows;
namespace reference {
PackRowsOp pack_rows;
}
namespace cpu {
PackRowsOp pack_rows;
}
namespace cuda {
PackRowsOp pack_rows;
}

/// A block of columns from rows of one matrix to rows of another, of the same element type.
struct CopyBlockArguments {
  ConstTensorView source;  ///< [R, row]
  std::int64_t source_column = 0;
  TensorView target;  ///< [R', row']
  std::int64_t target_row = 0;
  std::int64_t target_column = 0;
  std::int64_t columns = 0;
};

/// target[target_row + i, target_column + j] = source[i, source_column + j] for all rows i of
/// source.
using CopyBlockOp = void(const CopyBlockArguments& arguments, Stream& stream);
CopyBlockOp copy_block;
namespace reference {
CopyBlockOp copy_block;
}
namespace cpu {
CopyBlockOp copy_block;
}

}  // namespace softmoe::ops
