#include "runtime/ops/cuda/row_sums.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::launch;

namespace {

constexpr int kSumWarps = 8;
constexpr int kSumThreads = kSumWarps * kWarp;

// One block a sum.
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    add_sum_of_blocks(const double* partial_SB, std::int64_t num_blocks, T* target_S) {
  double* warps = softmoe::cuda::shared_memory<double>();
  const double* partial_B = partial_SB + blockIdx.x * num_blocks;
  double own = 0;
  for (std::int64_t block = threadIdx.x; block < num_blocks; block += kSumThreads) {
    own += partial_B[block];
  }
  own = warp_sum(own);
  if (lane_index() == 0) warps[warp_index()] = own;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double sum = 0;
  for (int warp = 0; warp < kSumWarps; ++warp) sum += warps[warp];
  target_S[blockIdx.x] += static_cast<T>(sum);
}

template <class T>
void add_sums(View<const double> partial_SB, View<T> target_S, Stream& stream) {
  if (partial_SB.empty() || target_S.empty()) return;
  launch(add_sum_of_blocks<T>,
         {.blocks = target_S.size(),
          .threads = kSumThreads,
          .shared_bytes = kSumWarps * static_cast<std::int64_t>(sizeof(double))},
         stream, partial_SB.data(), partial_SB.size() / target_S.size(), target_S.data());
}

}  // namespace

void add_block_sums(View<const double> partial_SB, View<double> target_S, Stream& stream) {
  add_sums(partial_SB, target_S, stream);
}

void add_block_sums(View<const double> partial_B, View<float> target, Stream& stream) {
  add_sums(partial_B, target, stream);
}

}  // namespace softmoe::ops::cuda
