#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/ops/dispatch.h"
#include "runtime/ops/rank_sum.h"

namespace softmoe::ops {

template <class T>
void sum_in_rank_order(const RankSumArguments<T>& arguments, Stream& stream) {
  const std::int64_t n = arguments.own.size();
  if (n == 0) return;
  if (arguments.peers.size() % n != 0 || arguments.rank < 0 ||
      arguments.rank > arguments.peers.size() / n) {
    throw InvalidArgument(
        fmt::format("sum_in_rank_order: rank {} has {} numbers, its peers together {}",
                    arguments.rank, n, arguments.peers.size()));
  }
  pick<RankSumOp<T>>(stream, {"sum_in_rank_order", &reference::sum_in_rank_order<T>,
                              &cpu::sum_in_rank_order<T>, &cuda::sum_in_rank_order<T>})(arguments,
                                                                                        stream);
}

template void sum_in_rank_order(const RankSumArguments<float>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<double>&, Stream&);
template void sum_in_rank_order(const RankSumArguments<std::int64_t>&, Stream&);

}  // namespace softmoe::ops
