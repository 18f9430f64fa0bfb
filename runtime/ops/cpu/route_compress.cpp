#include "runtime/ops/route_compress.h"

#include <algorithm>
#include <bit>

#include "runtime/ops/cpu/worker_rooms.h"
#include "runtime/ops/route_select.h"

namespace softmoe::ops::cpu {

namespace {

constexpr std::int64_t kRowsAtOnce = 128;

struct RowRange {
  std::int64_t begin;
  std::int64_t end;
};

std::int64_t num_ranges(std::int64_t rows) {
  return (rows + kRowsAtOnce - 1) / kRowsAtOnce;
}
RowRange row_range(std::int64_t index, std::int64_t rows) {
  return {index * kRowsAtOnce, std::min(rows, (index + 1) * kRowsAtOnce)};
}

void write_entries(View<const std::uint32_t> chosen_RW, const SparseRows& sparse, RowRange range,
                   View<std::int32_t> count_C) {
  const std::int64_t words = num_choice_words(count_C.size());
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    std::int32_t* entry = sparse.column_N.data() + sparse.row_begin_R1[row];
    for (std::int64_t word = 0; word < words; ++word) {
      for (std::uint32_t bits = chosen_RW[row * words + word]; bits != 0; bits &= bits - 1) {
        const auto column = static_cast<std::int32_t>(32 * word + std::countr_zero(bits));
        *entry++ = column;
        ++count_C[column];
      }
    }
  }
}

}  // namespace

void route_compress(View<const std::uint32_t> chosen_RW, const SparseRows& sparse,
                    View<std::int32_t> count_C, Arena& scratch, Stream& stream) {
  const ArenaScope scope(scratch);
  Workers& workers = stream.workers();
  const WorkerRooms<std::int32_t> counts(scratch, workers.size(), count_C.size());
  stream.run([chosen_RW, sparse, count_C, counts, &workers] {
    const std::int64_t rows = sparse.row_begin_R1.size() - 1;
    const std::int64_t columns = count_C.size();
    const std::int64_t words = num_choice_words(columns);
    workers.for_each_near(num_ranges(rows), [&](std::int64_t index, int) {
      const RowRange range = row_range(index, rows);
      for (std::int64_t row = range.begin; row < range.end; ++row) {
        int size = 0;
        for (std::int64_t word = 0; word < words; ++word) {
          size += std::popcount(chosen_RW[row * words + word]);
        }
        sparse.row_begin_R1[row + 1] = size;
      }
    });
    sparse.row_begin_R1[0] = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      sparse.row_begin_R1[row + 1] += sparse.row_begin_R1[row];
    }
    // Counts are integers: whichever worker took which rows, they sum to the same.
    for (int worker = 0; worker < workers.size(); ++worker) {
      std::fill_n(counts.of(worker), columns, 0);
    }
    workers.for_each_near(num_ranges(rows), [&](std::int64_t index, int worker) {
      write_entries(chosen_RW, sparse, row_range(index, rows), {counts.of(worker), columns});
    });
    std::fill_n(count_C.data(), columns, 0);
    for (int worker = 0; worker < workers.size(); ++worker) {
      for (std::int64_t i = 0; i < columns; ++i) count_C[i] += counts.of(worker)[i];
    }
  });
}

void route_replay(const SparseRows& given, const SparseRows& sparse, View<std::int32_t> count_C,
                  Stream& stream) {
  reference::route_replay(given, sparse, count_C, stream);
}

}  // namespace softmoe::ops::cpu
