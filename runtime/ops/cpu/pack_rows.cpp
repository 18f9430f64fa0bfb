#include "runtime/ops/pack_rows.h"

#include <algorithm>
#include <array>

#include "runtime/base/errors.h"
#include "runtime/ops/cpu/copy_row.h"

namespace softmoe::ops::cpu {

namespace {

constexpr std::int32_t kMaxKeys = 4096;
constexpr std::int64_t kRowsPerTask = 256;

}  // namespace

void sort_rows(const SortRowsArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  require(arguments.count_K.size() <= kMaxKeys, "sort_rows on the CPU takes at most 4096 keys");
  stream.run([arguments] {
    const auto& [segment_begin, key, count, row_at, segment_at, place_of] = arguments;
    std::array<std::int32_t, kMaxKeys> next_place;
    std::int32_t place = 0;
    for (std::int64_t k = 0; k < count.size(); ++k) {
      next_place[static_cast<std::size_t>(k)] = place;
      place += count[k];
    }
    // Each key fills its places from the front, so rows of one key keep their order.
    for (std::int32_t segment = 0; segment + 1 < segment_begin.size(); ++segment) {
      for (std::int32_t row = segment_begin[segment]; row < segment_begin[segment + 1]; ++row) {
        const std::int32_t own_place = next_place[static_cast<std::size_t>(key[row])]++;
        place_of[row] = own_place;
        row_at[own_place] = row;
        segment_at[own_place] = segment;
      }
    }
  });
}

void pack_rows(const PackRowsArguments& arguments, Stream& stream) {
  stream.run([arguments, &workers = stream.workers()] {
    const std::int64_t row_bytes = arguments.packed.dim(1) * size_of(arguments.packed.dtype());
    const std::int64_t num_rows = arguments.num_rows_1[0];
    workers.for_each_near((num_rows + kRowsPerTask - 1) / kRowsPerTask,
                          [&](std::int64_t task, int) {
                            const std::int64_t end = std::min(num_rows, (task + 1) * kRowsPerTask);
                            for (std::int64_t row = task * kRowsPerTask; row < end; ++row) {
                              copy_row(arguments.table.data() + arguments.source_C[row] * row_bytes,
                                       arguments.packed.data() + row * row_bytes, row_bytes);
                            }
                          });
  });
}

void copy_block(const CopyBlockArguments& arguments, Stream& stream) {
  reference::copy_block(arguments, stream);
}

}  // namespace softmoe::ops::cpu
