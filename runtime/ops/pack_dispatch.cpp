#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/ops/dispatch.h"
#include "runtime/ops/pack_rows.h"

// Kernels that move bytes: the same for every element type, so the backend alone decides.

namespace softmoe::ops {

void sort_rows(const SortRowsArguments& arguments, Arena& scratch, Stream& stream) {
  require(arguments.segment_begin_S1.size() >= 1,
          "sort_rows wants at least the end of the segments");
  require(arguments.row_at_C.size() == arguments.key_C.size() &&
              arguments.segment_at_C.size() == arguments.key_C.size() &&
              arguments.place_of_C.size() == arguments.key_C.size(),
          "sort_rows wants outputs as long as its keys");
  pick<SortRowsOp>(stream, {"sort_rows", &reference::sort_rows, &cpu::sort_rows, &cuda::sort_rows})(
      arguments, scratch, stream);
}

void pack_rows(const PackRowsArguments& arguments, Stream& stream) {
  require(arguments.table.dtype() == arguments.packed.dtype() &&
              arguments.table.dim(1) == arguments.packed.dim(1),
          "pack_rows wants rows of one size and type");
  require(arguments.source_C.size() == arguments.packed.dim(0) && arguments.num_rows_1.size() == 1,
          "pack_rows wants one source for every packed row, and one count");
  pick<PackRowsOp>(stream, {"pack_rows", &reference::pack_rows, &cpu::pack_rows, &cuda::pack_rows})(
      arguments, stream);
}

void copy_block(const CopyBlockArguments& arguments, Stream& stream) {
  require(arguments.source.dtype() == arguments.target.dtype(), "copy_block wants one type");
  if (arguments.source_column + arguments.columns > arguments.source.dim(1) ||
      arguments.target_column + arguments.columns > arguments.target.dim(1) ||
      arguments.target_row + arguments.source.dim(0) > arguments.target.dim(0)) {
    throw InvalidArgument(fmt::format(
        "copy_block: {} columns of {} do not fit {} at row {}, column {}", arguments.columns,
        arguments.source.shape().to_string(), arguments.target.shape().to_string(),
        arguments.target_row, arguments.target_column));
  }
  pick<CopyBlockOp>(stream, {"copy_block", &reference::copy_block, &cpu::copy_block, nullptr})(
      arguments, stream);
}

}  // namespace softmoe::ops
