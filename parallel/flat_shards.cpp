#include "parallel/flat_shards.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/bytes.h"
#include "runtime/ops/rank_sum.h"

namespace softmoe::parallel {

namespace {

void check_flat(const FlatShards& shards, const TensorView& flat, std::string_view operation) {
  if (flat.elements() != shards.elements()) {
    throw InvalidArgument(fmt::format("{}: the flat space has {} elements, the tensor {}",
                                      operation, shards.elements(), flat.elements()));
  }
}

/// The bytes of a range of a flat tensor.
View<std::byte> bytes_in(const TensorView& flat, FlatShards::Range range) {
  const std::int64_t size = size_of(flat.dtype());
  return View<std::byte>(flat.data(), flat.bytes()).part(range.begin * size, range.end * size);
}

template <class T>
void sum_owned(const FlatShards& shards, const TensorView& flat, const TensorView& pieces, Rank me,
               Stream& stream) {
  const FlatShards::Range owned = shards.owned();
  if (owned.size() == 0) return;
  ops::sum_in_rank_order<T>(
      {.own = flat.as<T>().part(owned.begin, owned.end), .peers = pieces.as<T>(), .rank = me.value},
      stream);
}

}  // namespace

FlatShards::FlatShards(std::int64_t elements, Communicator& communicator)
    : elements_(elements), communicator_(&communicator) {
  require(elements >= 0, "a flat space has a negative number of elements");
  const auto num_peers = static_cast<std::size_t>(communicator.size() - 1);
  sends_.reserve(num_peers);
  receives_.reserve(num_peers);
}

FlatShards::Range FlatShards::range_of(Rank rank) const {
  const std::int64_t size = communicator_->size();
  const std::int64_t width = (elements_ + size - 1) / size;
  return {.begin = std::min(elements_, rank.value * width),
          .end = std::min(elements_, (rank.value + 1) * width)};
}

FlatShards::BytesSent FlatShards::bytes_sent(DType dtype) const {
  const std::int64_t size = size_of(dtype);
  const std::int64_t own = owned().size();
  return {.reduce_scatter = (elements_ - own) * size,
          .all_gather = own * (communicator_->size() - 1) * size};
}

void FlatShards::reduce_scatter(TensorView flat, Arena& scratch, Stream& stream) const {
  check_flat(*this, flat, "reduce_scatter");
  if (flat.dtype() != DType::f32 && flat.dtype() != DType::f64 && flat.dtype() != DType::i64) {
    throw InvalidArgument(
        fmt::format("reduce_scatter: sums are f32, f64 or i64, not {}", name_of(flat.dtype())));
  }
  if (communicator_->size() == 1) return;
  const ArenaScope scope(scratch);
  const TensorView pieces = scratch.push(flat.dtype(), {elements_of_peers()});
  exchange_ranges(flat, pieces, stream);
  const Rank me = communicator_->rank();
  if (flat.dtype() == DType::f32) sum_owned<float>(*this, flat, pieces, me, stream);
  if (flat.dtype() == DType::f64) sum_owned<double>(*this, flat, pieces, me, stream);
  if (flat.dtype() == DType::i64) sum_owned<std::int64_t>(*this, flat, pieces, me, stream);
}

void FlatShards::exchange_ranges(const TensorView& flat, const TensorView& pieces,
                                 Stream& stream) const {
  const Rank me = communicator_->rank();
  const std::int64_t piece = owned().size();
  sends_.clear();
  receives_.clear();
  for (Rank peer{0}; peer.value < communicator_->size(); ++peer.value) {
    if (peer == me) continue;
    const std::int64_t place = static_cast<std::int64_t>(receives_.size()) * piece;
    sends_.push_back({peer, bytes_in(flat, range_of(peer))});
    receives_.push_back({peer, bytes_in(pieces, {place, place + piece})});
  }
  communicator_->exchange(sends_, receives_, stream);
}

void FlatShards::all_gather(TensorView flat, Stream& stream) const {
  check_flat(*this, flat, "all_gather of a flat space");
  const Rank me = communicator_->rank();
  sends_.clear();
  receives_.clear();
  for (Rank peer{0}; peer.value < communicator_->size(); ++peer.value) {
    if (peer == me) continue;
    sends_.push_back({peer, bytes_in(flat, owned())});
    receives_.push_back({peer, bytes_in(flat, range_of(peer))});
  }
  communicator_->exchange(sends_, receives_, stream);
}

}  // namespace softmoe::parallel
