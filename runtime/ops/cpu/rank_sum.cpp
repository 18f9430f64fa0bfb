#include "runtime/ops/rank_sum.h"

#include <algorithm>

namespace softmoe::ops::cpu {

namespace {

template <class T>
void add(T* target, const T* source, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) target[i] += source[i];
}

/// Sums elements [begin, end). Addition commutes in IEEE 754, so `own` may stand on either side.
template <class T>
void sum_range(const RankSumArguments<T>& arguments, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = arguments.own.size();
  const std::int64_t num_peers = arguments.peers.size() / n;
  const auto peer = [&](std::int64_t p) { return arguments.peers.data() + p * n + begin; };
  T* own = arguments.own.data() + begin;
  const std::int64_t count = end - begin;

  for (std::int64_t p = 1; p < arguments.rank; ++p) add(peer(0), peer(p), count);
  if (arguments.rank > 0) add(own, peer(0), count);
  for (std::int64_t p = arguments.rank; p < num_peers; ++p) add(own, peer(p), count);
}

}  // namespace

template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream) {
  // A block of every rank fits the second-level cache, so each number is read from memory once.
  constexpr std::int64_t kBlock = 8192;
  const std::int64_t n = arguments.own.size();
  stream.run([arguments, n, &workers = stream.workers()] {
    workers.for_each_near((n + kBlock - 1) / kBlock, [&](std::int64_t block, int) {
      sum_range(arguments, block * kBlock, std::min(n, (block + 1) * kBlock));
    });
  });
}

template void sum_in_rank_order(const RankSumArguments<float>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<double>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<std::int64_t>&, Stream&);

}  // namespace softmoe::ops::cpu
