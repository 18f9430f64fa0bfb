#include "runtime/ops/pack_rows.h"

#include <cstring>

namespace softmoe::ops::reference {

void sort_rows(const SortRowsArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  stream.run([arguments] {
    const auto& [segment_begin, key, count, row_at, segment_at, place_of] = arguments;
    // Until the rows have been placed, place_of is unused: nothing else is needed to sort but the
    // next free place of each key, and that is found from the counts for every row's key in turn.
    std::int32_t next_place = 0;
    for (std::int32_t k = 0; k < count.size(); ++k) {
      for (std::int32_t segment = 0; segment + 1 < segment_begin.size(); ++segment) {
        for (std::int32_t row = segment_begin[segment]; row < segment_begin[segment + 1]; ++row) {
          if (key[row] != k) continue;
          place_of[row] = next_place;
          row_at[next_place] = row;
          segment_at[next_place] = segment;
          ++next_place;
        }
      }
    }
  });
}

void pack_rows(const PackRowsArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    const std::int64_t row_bytes = arguments.packed.dim(1) * size_of(arguments.packed.dtype());
    const std::int32_t num_rows = arguments.num_rows_1[0];
    for (std::int32_t row = 0; row < num_rows; ++row) {
      std::memcpy(arguments.packed.data() + row * row_bytes,
                  arguments.table.data() + arguments.source_C[row] * row_bytes,
                  static_cast<std::size_t>(row_bytes));
    }
  });
}

void copy_block(const CopyBlockArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    const std::int64_t element = size_of(arguments.source.dtype());
    const std::int64_t source_row = arguments.source.dim(1) * element;
    const std::int64_t target_row = arguments.target.dim(1) * element;
    for (std::int64_t row = 0; row < arguments.source.dim(0); ++row) {
      std::memcpy(arguments.target.data() + (arguments.target_row + row) * target_row +
                      arguments.target_column * element,
                  arguments.source.data() + row * source_row + arguments.source_column * element,
                  static_cast<std::size_t>(arguments.columns * element));
    }
  });
}

}  // namespace softmoe::ops::reference
