#include "runtime/ops/cuda/group_pointers.h"

#include <algorithm>

#include "runtime/device/cuda/launch.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

// As many as travel well within the 4 KiB of a kernel's arguments.
constexpr int kGroupsPerLaunch = 64;

struct GroupChunk {
  std::int64_t row_begin[kGroupsPerLaunch];
  std::int64_t slice[kGroupsPerLaunch];
  GroupOperand operands[3];
  void** pointers;      ///< of the first operand's first group of this chunk
  std::int64_t stride;  ///< from one operand's pointers to the next's
  int size;
};

__global__ void __launch_bounds__(kGroupsPerLaunch) group_pointers_kernel(GroupChunk chunk) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= chunk.size) return;
  for (int o = 0; o < 3; ++o) {
    const GroupOperand& operand = chunk.operands[o];
    chunk.pointers[o * chunk.stride + i] =
        const_cast<std::byte*>(operand.base + chunk.row_begin[i] * operand.row_bytes +
                               chunk.slice[i] * operand.slice_bytes);
  }
}

void launch_chunk(GroupChunk& chunk, Stream& stream) {
  if (chunk.size == 0) return;
  launch(&group_pointers_kernel, {.blocks = 1, .threads = kGroupsPerLaunch}, stream, chunk);
  chunk.pointers += chunk.size;
  chunk.size = 0;
}

}  // namespace

void fill_group_pointers(std::span<const std::int64_t> row_begin, RowLimits limits,
                         std::span<const GroupOperand, 3> operands, View<void*> pointers,
                         Stream& stream) {
  GroupChunk chunk{};
  chunk.pointers = pointers.data();
  chunk.stride = pointers.size() / 3;
  std::copy(operands.begin(), operands.end(), chunk.operands);
  for_each_group(row_begin, limits,
                 [&](std::int64_t group, std::int64_t begin, std::int64_t /*end*/) {
                   chunk.row_begin[chunk.size] = begin;
                   chunk.slice[chunk.size] = group;
                   ++chunk.size;
                   if (chunk.size == kGroupsPerLaunch) launch_chunk(chunk, stream);
                 });
  launch_chunk(chunk, stream);
}

}  // namespace softmoe::ops::cuda
