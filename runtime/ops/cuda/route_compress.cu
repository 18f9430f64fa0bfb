#include "runtime/ops/route_compress.h"

#include "runtime/device/accelerator.h"
#include "runtime/ops/cuda/row_in_warp.h"
#include "runtime/ops/cuda/scan.h"
#include "runtime/ops/route_select.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

constexpr int kThreads = 128;

__device__ std::int64_t thread_of_grid() {
  return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

struct Choices {
  const std::uint32_t* chosen_RW;
  std::int64_t num_rows;
  int words;
};

// row_begin_R1[row + 1] := entries of the row; the sums come after.
__global__ void __launch_bounds__(kThreads)
    count_entries(Choices choices, std::int32_t* row_begin_R1) {
  const std::int64_t place = thread_of_grid();
  if (place > choices.num_rows) return;
  int entries = 0;
  for (int word = 0; place > 0 && word < choices.words; ++word) {
    entries += __popc(choices.chosen_RW[(place - 1) * choices.words + word]);
  }
  row_begin_R1[place] = entries;
}

__global__ void __launch_bounds__(kRowThreads)
    write_columns(Choices choices, const std::int32_t* row_begin_R1, std::int32_t* column_N) {
  const std::int64_t row = row_of_warp();
  if (row >= choices.num_rows) return;
  std::int32_t entry = row_begin_R1[row];
  const unsigned own_bit = 1U << lane_index();
  for (int word = 0; word < choices.words; ++word) {
    const std::uint32_t chosen = choices.chosen_RW[row * choices.words + word];
    if ((chosen & own_bit) != 0) {
      column_N[entry + __popc(chosen & (own_bit - 1))] = word * kWarp + lane_index();
    }
    entry += __popc(chosen);
  }
}

// A warp counts the 32 columns of one word over this many rows, each lane a column.
constexpr int kRowsPerCount = 32;

__global__ void __launch_bounds__(kThreads) count_columns(Choices choices, std::int32_t* count_C) {
  const std::int64_t warp = thread_of_grid() / kWarp;
  const int word = static_cast<int>(warp % choices.words);
  const std::int64_t begin = warp / choices.words * kRowsPerCount;
  const std::int64_t end =
      begin + kRowsPerCount < choices.num_rows ? begin + kRowsPerCount : choices.num_rows;
  int count = 0;
  for (std::int64_t row = begin; row < end; ++row) {
    count += static_cast<int>(choices.chosen_RW[row * choices.words + word] >> lane_index() & 1U);
  }
  // Integers: their sum does not depend on who comes first.
  if (count > 0) atomicAdd(&count_C[word * kWarp + lane_index()], count);
}

__global__ void __launch_bounds__(kThreads)
    copy_entries(const std::int32_t* num_entries, const std::int32_t* given_N,
                 std::int32_t* column_N, std::int32_t* count_C) {
  const std::int64_t entry = thread_of_grid();
  if (entry >= *num_entries) return;
  column_N[entry] = given_N[entry];
  atomicAdd(&count_C[given_N[entry]], 1);
}

void fill_zero(View<std::int32_t> count_C, Stream& stream) {
  stream.device().accelerator()->fill_zero(count_C.data(), Bytes(count_C.bytes()), stream.handle());
}

}  // namespace

void route_compress(View<const std::uint32_t> chosen_RW, const SparseRows& sparse,
                    View<std::int32_t> count_C, Arena& scratch, Stream& stream) {
  const Choices choices{.chosen_RW = chosen_RW.data(),
                        .num_rows = sparse.row_begin_R1.size() - 1,
                        .words = narrow<int>(num_choice_words(count_C.size()))};
  launch(count_entries, {.blocks = blocks_for(choices.num_rows + 1, kThreads), .threads = kThreads},
         stream, choices, sparse.row_begin_R1.data());
  inclusive_scan(sparse.row_begin_R1.part(1, choices.num_rows + 1), scratch, stream);
  launch(write_columns, warp_per_row(choices.num_rows), stream, choices, sparse.row_begin_R1.data(),
         sparse.column_N.data());

  fill_zero(count_C, stream);
  const std::int64_t num_counts = blocks_for(choices.num_rows, kRowsPerCount) * choices.words;
  launch(count_columns, {.blocks = blocks_for(num_counts * kWarp, kThreads), .threads = kThreads},
         stream, choices, count_C.data());
}

void route_replay(const SparseRows& given, const SparseRows& sparse, View<std::int32_t> count_C,
                  Stream& stream) {
  const std::int64_t num_rows = given.row_begin_R1.size() - 1;
  stream.copy(sparse.row_begin_R1.data(), given.row_begin_R1.data(),
              Bytes(given.row_begin_R1.bytes()), CopyDirection::within_device);
  fill_zero(count_C, stream);
  launch(copy_entries, {.blocks = blocks_for(given.column_N.size(), kThreads), .threads = kThreads},
         stream, given.row_begin_R1.data() + num_rows, given.column_N.data(),
         sparse.column_N.data(), count_C.data());
}

}  // namespace softmoe::ops::cuda
