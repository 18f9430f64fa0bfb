#include "runtime/ops/rows.h"

#include <cmath>

#include "runtime/ops/cuda/move_rows.h"
#include "runtime/ops/cuda/storage.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

template <int kBytes>
__global__ void __launch_bounds__(kRowWalkThreads)
    gather_kernel(RowMove move, std::int64_t num_rows, int log2_threads) {
  move_rows<kBytes>(move, num_rows, log2_threads);
}

template <class T>
struct RowSums {
  const T* rows;
  const std::int32_t* place_of;
  const std::int32_t* segment_begin;
  const T* onto;  ///< null: nothing is added
  T* out;
  std::int64_t num_segments;
  std::int64_t columns;
};

// A thread sums its columns over all rows of a segment, so the order is the rows' own.
template <class T, Access kAccess>
__global__ void __launch_bounds__(kRowWalkThreads)
    sum_rows_kernel(RowSums<T> sums, int log2_threads) {
  const std::int64_t units = units_of(sums.columns, kUnit<T>);
  const RowWalk walk(log2_threads);
  for (std::int64_t segment = walk.first_row; segment < sums.num_segments;
       segment += walk.row_step) {
    const std::int32_t begin = sums.segment_begin[segment];
    const std::int32_t end = sums.segment_begin[segment + 1];
    T* const out = sums.out + segment * sums.columns;
    for (std::int64_t unit = walk.first_unit; unit < units; unit += walk.unit_step) {
      UnitValues<T> sum{};
      for (std::int32_t j = begin; j < end; ++j) {
        const UnitValues<T> row =
            load_unit<kAccess>(sums.rows + sums.place_of[j] * sums.columns, unit, sums.columns);
        for (int i = 0; i < kUnit<T>; ++i) sum.at[i] += row.at[i];
      }
      if (sums.onto != nullptr) {
        const UnitValues<T> before =
            load_unit<kAccess>(sums.onto + segment * sums.columns, unit, sums.columns);
        for (int i = 0; i < kUnit<T>; ++i) sum.at[i] += before.at[i];
      }
      store_unit<kAccess>(out, unit, sums.columns, sum);
    }
  }
}

}  // namespace

void gather_rows(ConstTensorView table, View<const std::int32_t> index, TensorView out,
                 Stream& stream) {
  if (out.empty()) return;
  const RowMove move{.table = table.data(),
                     .index = index.data(),
                     .out = out.data(),
                     .row_bytes = out.bytes() / out.dim(0)};
  visit_chunk(move, [&]<int kBytes>() {
    const RowSpread spread = spread_rows(index.size(), move.row_bytes / kBytes);
    launch(&gather_kernel<kBytes>, spread.shape, stream, move, index.size(), spread.log2_threads);
  });
}

void sum_rows(const SumRowsArguments& arguments, Stream& stream) {
  if (arguments.out.empty()) return;
  const bool adds = arguments.onto.data() != nullptr;
  visit_storage("sum_rows", arguments.out.dtype(), [&]<class T>() {
    const RowSums<T> sums{.rows = arguments.rows.as<T>().data(),
                          .place_of = arguments.place_of_N.data(),
                          .segment_begin = arguments.segment_begin.data(),
                          .onto = adds ? arguments.onto.as<T>().data() : nullptr,
                          .out = arguments.out.as<T>().data(),
                          .num_segments = arguments.out.dim(0),
                          .columns = arguments.out.dim(1)};
    const std::int64_t row_bytes = sums.columns * size_of(arguments.out.dtype());
    const void* const onto = adds ? sums.onto : sums.out;
    const bool in_units = access_to(row_bytes, {sums.rows, onto, sums.out}) == Access::units;
    const RowSpread spread = spread_rows(sums.num_segments, units_of(sums.columns, kUnit<T>));
    launch(in_units ? &sum_rows_kernel<T, Access::units> : &sum_rows_kernel<T, Access::elements>,
           spread.shape, stream, sums, spread.log2_threads);
  });
}

}  // namespace softmoe::ops::cuda
