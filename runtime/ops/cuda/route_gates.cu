#include "runtime/ops/route_gates.h"

#include "runtime/device/accelerator.h"
#include "runtime/ops/cuda/router_values.h"
#include "runtime/ops/cuda/row_in_warp.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

struct GateRows {
  const std::int32_t* row_begin_R1;
  const std::int32_t* column_N;
  const float* signed_f_RC;  // null for GateForm::equal
  float* gate_N;
  GateForm form;
  float tau;
  std::int64_t num_rows;
  std::int64_t columns;
};

[[nodiscard]] GateRows rows_of(const RouteGatesArguments& arguments) {
  const bool reads_p = arguments.form != GateForm::equal;
  return {.row_begin_R1 = arguments.sparse.row_begin_R1.data(),
          .column_N = arguments.sparse.column_N.data(),
          .signed_f_RC = reads_p ? arguments.signed_f_RC.as<float>().data() : nullptr,
          .gate_N = arguments.gate_N.as<float>().data(),
          .form = arguments.form,
          .tau = static_cast<float>(arguments.tau),
          .num_rows = arguments.sparse.row_begin_R1.size() - 1,
          .columns = reads_p ? arguments.signed_f_RC.dim(1) : 0};
}

// The entries of one row: few, so that one thread has a row.
struct Entries {
  std::int32_t begin;
  std::int32_t end;
};

__device__ std::int64_t row_of_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * kRowThreads + threadIdx.x;
}

__device__ float probability(const GateRows& rows, std::int64_t row, std::int32_t entry) {
  return probability_of(rows.signed_f_RC[row * rows.columns + rows.column_N[entry]]);
}

__device__ float sum_of_probabilities(const GateRows& rows, std::int64_t row,
                                      const Entries& entries) {
  float sum = 0;
  for (std::int32_t i = entries.begin; i < entries.end; ++i) sum += probability(rows, row, i);
  return sum;
}

__global__ void __launch_bounds__(kRowThreads, kRoomyBlocks) write_gates(GateRows rows) {
  const std::int64_t row = row_of_thread();
  if (row >= rows.num_rows) return;
  const Entries entries{.begin = rows.row_begin_R1[row], .end = rows.row_begin_R1[row + 1]};
  const std::int32_t count = entries.end - entries.begin;
  const float share_of_each = 1 / static_cast<float>(count);
  const float sum = rows.form == GateForm::share ? sum_of_probabilities(rows, row, entries) : 0.0F;
  for (std::int32_t i = entries.begin; i < entries.end; ++i) {
    float gate = share_of_each;
    if (rows.form == GateForm::share && sum > 0) {
      gate = probability(rows, row, i) / sum;
    } else if (rows.form == GateForm::probability) {
      gate = probability(rows, row, i);
    } else if (rows.form == GateForm::excess) {
      const float p = probability(rows, row, i);
      gate = count == 1 && p - rows.tau <= 0 ? p : p - rows.tau;
    }
    rows.gate_N[i] = gate;
  }
}

// d_p_RC is zero.
__global__ void __launch_bounds__(kRowThreads, kRoomyBlocks)
    write_gradient(GateRows rows, const float* d_gate_N, float* d_p_RC) {
  const std::int64_t row = row_of_thread();
  if (row >= rows.num_rows) return;
  const Entries entries{.begin = rows.row_begin_R1[row], .end = rows.row_begin_R1[row + 1]};
  float scale = 1;
  float common = 0;
  if (rows.form == GateForm::share) {
    const float sum = sum_of_probabilities(rows, row, entries);
    scale = sum > 0 ? 1 / sum : 0.0F;
    for (std::int32_t i = entries.begin; i < entries.end; ++i) {
      common += d_gate_N[i] * rows.gate_N[i];
    }
  }
  for (std::int32_t i = entries.begin; i < entries.end; ++i) {
    d_p_RC[row * rows.columns + rows.column_N[i]] = (d_gate_N[i] - common) * scale;
  }
}

[[nodiscard]] softmoe::cuda::LaunchShape thread_per_row(std::int64_t rows) {
  return {.blocks = blocks_for(rows, kRowThreads), .threads = kRowThreads};
}

}  // namespace

void route_gates(const RouteGatesArguments& arguments, Stream& stream) {
  require_f32("route_gates", arguments.gate_N.dtype());
  const GateRows rows = rows_of(arguments);
  launch(write_gates, thread_per_row(rows.num_rows), stream, rows);
}

void route_gates_backward(const RouteGatesArguments& forward, ConstTensorView d_gate_N,
                          TensorView d_p_RC, Stream& stream) {
  require_f32("route_gates_backward", forward.gate_N.dtype());
  const GateRows rows = rows_of(forward);
  stream.device().accelerator()->fill_zero(d_p_RC.data(), Bytes(d_p_RC.bytes()), stream.handle());
  if (rows.form == GateForm::equal) return;
  launch(write_gradient, thread_per_row(rows.num_rows), stream, rows, d_gate_N.as<float>().data(),
         d_p_RC.as<float>().data());
}

}  // namespace softmoe::ops::cuda
