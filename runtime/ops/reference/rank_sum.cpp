#include "runtime/ops/rank_sum.h"

namespace softmoe::ops::reference {

template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream) {
  stream.run([arguments] {
    const auto& [own, peers, rank] = arguments;
    const std::int64_t n = own.size();
    const std::int64_t num_ranks = peers.size() / n + 1;
    const auto number_of = [&](std::int64_t r, std::int64_t i) {
      return r == rank ? own[i] : peers[(r < rank ? r : r - 1) * n + i];
    };
    for (std::int64_t i = 0; i < n; ++i) {
      T sum = number_of(0, i);
      for (std::int64_t r = 1; r < num_ranks; ++r) sum += number_of(r, i);
      own[i] = sum;
    }
  });
}

template void sum_in_rank_order(const RankSumArguments<float>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<double>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<std::int64_t>&, Stream&);

}  // namespace softmoe::ops::reference
