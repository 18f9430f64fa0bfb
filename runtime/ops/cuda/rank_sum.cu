#include "runtime/ops/rank_sum.h"

#include "runtime/ops/cuda/unit.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

constexpr int kThreads = 256;

template <class T>
struct RankSum {
  T* own;
  const T* peers;
  std::int64_t size;
  int num_peers;
  int rank;
};

template <class T, Access kAccess>
__global__ void __launch_bounds__(kThreads) rank_sum_kernel(RankSum<T> sum) {
  const std::int64_t unit = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (unit * kUnit<T> >= sum.size) return;
  const auto numbers_of = [&](int rank) {
    const T* const peer = sum.peers + (rank < sum.rank ? rank : rank - 1) * sum.size;
    return load_unit<kAccess>(rank == sum.rank ? static_cast<const T*>(sum.own) : peer, unit,
                              sum.size);
  };
  UnitValues<T> total = numbers_of(0);
  for (int rank = 1; rank <= sum.num_peers; ++rank) {
    const UnitValues<T> added = numbers_of(rank);
    for (int i = 0; i < kUnit<T>; ++i) total.at[i] += added.at[i];
  }
  store_unit<kAccess>(sum.own, unit, sum.size, total);
}

}  // namespace

template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream) {
  const std::int64_t size = arguments.own.size();
  const RankSum<T> sum{.own = arguments.own.data(),
                       .peers = arguments.peers.data(),
                       .size = size,
                       .num_peers = static_cast<int>(arguments.peers.size() / size),
                       .rank = arguments.rank};
  const bool in_units = access_to(arguments.own.bytes(), {sum.own, sum.peers}) == Access::units;
  launch(in_units ? &rank_sum_kernel<T, Access::units> : &rank_sum_kernel<T, Access::elements>,
         {.blocks = blocks_for(units_of(size, kUnit<T>), kThreads), .threads = kThreads}, stream,
         sum);
}

template void sum_in_rank_order(const RankSumArguments<float>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<double>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<std::int64_t>&, Stream&);

}  // namespace softmoe::ops::cuda
