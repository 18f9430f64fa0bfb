#include "parallel/reduce.h"

#include <vector>

#include "parallel/bytes.h"
#include "parallel/flat_shards.h"
#include "runtime/ops/rank_sum.h"

namespace softmoe::parallel {

namespace {

// Up to this many bytes from all ranks together, one round in which everybody sums everything beats
// two rounds of slices. The order of the sum, and so its bits, is the same.
constexpr std::int64_t kOneRoundBytes = 16 << 10;

/// data := the sum over ranks of `data`. @param all [P * n] room for everybody's numbers.
template <class T>
void sum_everything(View<T> data, View<T> all, Communicator& communicator, Stream& stream) {
  const std::int64_t n = data.size();
  communicator.all_gather(bytes_of(View<const T>(data)), bytes_of(all), stream);
  stream.copy(data.data(), all.data(), Bytes(data.bytes()), CopyDirection::within_device);
  ops::sum_in_rank_order<T>({.own = data, .peers = all.part(n, all.size()), .rank = 0}, stream);
}

template <class T>
void sum_on_host(std::span<T> numbers, Communicator& communicator, Stream& stream) {
  require(stream.backend() != Backend::cuda,
          "a sum on the host wants a stream of the processor, not of an accelerator");
  if (numbers.empty() || communicator.size() == 1) return;
  std::vector<T> all(numbers.size() * static_cast<std::size_t>(communicator.size()));
  sum_everything(View<T>(numbers.data(), std::ssize(numbers)), View<T>(all.data(), std::ssize(all)),
                 communicator, stream);
  stream.synchronize();
}

}  // namespace

template <class T>
void all_reduce_sum(View<T> data, Communicator& communicator, Arena& scratch, Stream& stream) {
  const int size = communicator.size();
  if (size == 1 || data.empty()) return;
  if (size * data.bytes() <= kOneRoundBytes) {
    const ArenaScope scope(scratch);
    sum_everything(data, scratch.push<T>(size * data.size()), communicator, stream);
    return;
  }
  const FlatShards shards(data.size(), communicator);
  const TensorView flat(data, {data.size()});
  shards.reduce_scatter(flat, scratch, stream);
  shards.all_gather(flat, stream);
}

template void all_reduce_sum(View<float>, Communicator&, Arena&, Stream&);
template void all_reduce_sum(View<double>, Communicator&, Arena&, Stream&);
template void all_reduce_sum(View<std::int64_t>, Communicator&, Arena&, Stream&);

void all_reduce_sum_on_host(std::span<double> numbers, Communicator& communicator, Stream& stream) {
  sum_on_host(numbers, communicator, stream);
}

void all_reduce_sum_on_host(std::span<std::int64_t> numbers, Communicator& communicator,
                            Stream& stream) {
  sum_on_host(numbers, communicator, stream);
}

void broadcast_on_host(std::span<std::byte> data, Rank root, Communicator& communicator,
                       Stream& stream) {
  require(stream.backend() != Backend::cuda,
          "a broadcast on the host wants a stream of the processor, not of an accelerator");
  communicator.broadcast({data.data(), std::ssize(data)}, root, stream);
  stream.synchronize();
}

}  // namespace softmoe::parallel
