#include "runtime/ops/rows.h"

#include <cstring>

#include "runtime/ops/checks.h"

namespace softmoe::ops::reference {

void gather_rows(ConstTensorView table, View<const std::int32_t> index, TensorView out,
                 Stream& stream) {
  stream.run([table, index, out] {
    if (out.empty()) return;
    const std::int64_t row_bytes = out.bytes() / out.dim(0);
    for (std::int64_t i = 0; i < index.size(); ++i) {
      require_row("gather_rows", i, index[i], table.dim(0));
      std::memcpy(out.data() + i * row_bytes, table.data() + index[i] * row_bytes,
                  static_cast<std::size_t>(row_bytes));
    }
  });
}

namespace {

template <class T>
void sum_segment(const SumRowsArguments& arguments, std::int64_t segment) {
  const std::int64_t columns = arguments.rows.dim(1);
  const auto rows = arguments.rows.as<T>();
  const auto out = arguments.out.as<T>();
  for (std::int64_t column = 0; column < columns; ++column) {
    ComputeOf<T> sum = 0;
    for (std::int64_t j = arguments.segment_begin[segment];
         j < arguments.segment_begin[segment + 1]; ++j) {
      require_row("sum_rows", j, arguments.place_of_N[j], arguments.rows.dim(0));
      sum += ComputeOf<T>{rows[arguments.place_of_N[j] * columns + column]};
    }
    const std::int64_t place = segment * columns + column;
    const bool adds = arguments.onto.data() != nullptr;
    out[place] = static_cast<T>(adds ? ComputeOf<T>{arguments.onto.as<T>()[place]} + sum : sum);
  }
}

}  // namespace

void sum_rows(const SumRowsArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    visit_float(arguments.rows.dtype(), [&]<class T>() {
      for (std::int64_t segment = 0; segment < arguments.out.dim(0); ++segment) {
        sum_segment<T>(arguments, segment);
      }
    });
  });
}

void add_to_rows(ConstTensorView d_out, View<const std::int32_t> index, TensorView d_table,
                 Stream& stream) {
  stream.run([d_out, index, d_table] {
    visit_float(d_out.dtype(), [&]<class T>() {
      const std::int64_t columns = d_table.dim(1);
      const auto from = d_out.as<T>();
      const auto to = d_table.as<T>();
      for (std::int64_t i = 0; i < index.size(); ++i) {
        require_row("add_to_rows", i, index[i], d_table.dim(0));
        for (std::int64_t column = 0; column < columns; ++column) {
          T& sum = to[index[i] * columns + column];
          sum = static_cast<T>(ComputeOf<T>{sum} + ComputeOf<T>{from[i * columns + column]});
        }
      }
    });
  });
}

}  // namespace softmoe::ops::reference
