#include "runtime/ops/pack_rows.h"

#include "runtime/ops/cuda/move_rows.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

// Only the device knows how many rows there are: the grid is for as many as there may be.
template <int kBytes>
__global__ void __launch_bounds__(kRowWalkThreads)
    pack_kernel(RowMove move, const std::int32_t* num_rows_1, int log2_threads) {
  move_rows<kBytes>(move, num_rows_1[0], log2_threads);
}

}  // namespace

void pack_rows(const PackRowsArguments& arguments, Stream& stream) {
  if (arguments.packed.empty()) return;
  const std::int64_t max_rows = arguments.packed.dim(0);
  const RowMove move{.table = arguments.table.data(),
                     .index = arguments.source_C.data(),
                     .out = arguments.packed.data(),
                     .row_bytes = arguments.packed.bytes() / max_rows};
  visit_chunk(move, [&]<int kBytes>() {
    const RowSpread spread = spread_rows(max_rows, move.row_bytes / kBytes);
    launch(&pack_kernel<kBytes>, spread.shape, stream, move, arguments.num_rows_1.data(),
           spread.log2_threads);
  });
}

}  // namespace softmoe::ops::cuda
