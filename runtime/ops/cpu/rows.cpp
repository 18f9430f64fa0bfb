#include "runtime/ops/rows.h"

#include <algorithm>
#include <array>

#include "runtime/ops/checks.h"
#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/copy_row.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

void gather_rows(ConstTensorView table, View<const std::int32_t> index, TensorView out,
                 Stream& stream) {
  stream.run([table, index, out, workers = &stream.workers()] {
    if (out.empty()) return;
    const std::int64_t row_bytes = out.bytes() / out.dim(0);
    const std::int64_t rows = table.dim(0);
    // Fetching a row costs as much as copying some numbers, however short it is.
    const std::int64_t row_cost = std::max<std::int64_t>(16, row_bytes / 4);
    for_row_blocks(*workers, index.size(), row_cost, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        require_row("gather_rows", i, index[i], rows);
        copy_row(table.data() + index[i] * row_bytes, out.data() + i * row_bytes, row_bytes);
      }
    });
  });
}

namespace {

/// Rows of one segment, summed column by column.
struct Segment {
  const float* rows;
  std::int64_t columns;
  std::span<const std::int32_t> places;
  const float* onto;  ///< null: nothing is added
  float* out;

  /// Columns from `column` on, `kVectors` vectors side by side.
  template <std::size_t kVectors, class Lanes>
  void sum(std::int64_t column, Lanes lanes) const {
    std::array<Vec, kVectors> sums{};
    for (const std::int32_t place : places) {
      const float* const from = rows + place * columns + column;
      for (std::size_t v = 0; v < kVectors; ++v) sums[v] += load(from + v * kLanes, lanes);
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::int64_t first = column + static_cast<std::int64_t>(v) * kLanes;
      store(onto == nullptr ? sums[v] : load(onto + first, lanes) + sums[v], out + first, lanes);
    }
  }

  void sum_all() const {
    constexpr std::size_t kWide = 4;
    std::int64_t column = 0;
    for (; column + std::int64_t{kWide} * kLanes <= columns; column += kWide * kLanes) {
      sum<kWide>(column, Full{});
    }
    for_vectors(columns - column, [&](std::int64_t i, auto lanes) { sum<1>(column + i, lanes); });
  }
};

Segment segment_of(const SumRowsArguments& arguments, std::int64_t segment) {
  const std::int64_t begin = arguments.segment_begin[segment];
  const std::int64_t end = arguments.segment_begin[segment + 1];
  for (std::int64_t j = begin; j < end; ++j) {
    require_row("sum_rows", j, arguments.place_of_N[j], arguments.rows.dim(0));
  }
  const std::int64_t columns = arguments.rows.dim(1);
  return {.rows = arguments.rows.as<float>().data(),
          .columns = columns,
          .places = arguments.place_of_N.part(begin, end).span(),
          .onto = arguments.onto.data() == nullptr
                      ? nullptr
                      : arguments.onto.as<float>().data() + segment * columns,
          .out = arguments.out.as<float>().data() + segment * columns};
}

}  // namespace

void sum_rows(const SumRowsArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    // Segments differ in length; twice their own row is a fair guess of what one costs.
    for_row_blocks(*workers, arguments.out.dim(0), 2 * arguments.out.dim(1),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t segment = begin; segment < end; ++segment) {
                       segment_of(arguments, segment).sum_all();
                     }
                   });
  });
}

void add_to_rows(ConstTensorView d_out, View<const std::int32_t> index, TensorView d_table,
                 Stream& stream) {
  stream.run([d_out, index, d_table, workers = &stream.workers()] {
    for (std::int64_t i = 0; i < index.size(); ++i) {
      require_row("add_to_rows", i, index[i], d_table.dim(0));
    }
    const std::int64_t columns = d_table.dim(1);
    const float* const from = d_out.as<float>().data();
    float* const to = d_table.as<float>().data();
    // Entries may name one row twice, so a worker owns columns, and takes the entries in order.
    const std::int64_t block = workers->size() == 1 ? columns : kOrderedColumns;
    for_blocks(*workers, columns, std::max<std::int64_t>(1, block),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = 0; i < index.size(); ++i) {
                   const float* const row = from + i * columns;
                   float* const sum = to + index[i] * columns;
                   for_vectors(end - begin, [&](std::int64_t c, auto lanes) {
                     store(load(sum + begin + c, lanes) + load(row + begin + c, lanes),
                           sum + begin + c, lanes);
                   });
                 }
               });
  });
}

}  // namespace softmoe::ops::cpu
