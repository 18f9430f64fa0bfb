#include "training/data/sequence_order.h"

#include <fmt/format.h>

#include <bit>

#include "runtime/base/errors.h"
#include "runtime/base/philox.h"

namespace softmoe::training {
namespace {

// Four rounds make a strong permutation of large blocks (Luby and Rackoff 1988); small data sets
// have blocks of few bits, where more rounds mix better.
constexpr std::uint32_t kRounds = 8;

constexpr std::int64_t kMaxSequences = std::int64_t{1} << 62;

}  // namespace

SequenceOrder::SequenceOrder(std::int64_t num_sequences, std::uint64_t seed)
    : num_sequences_(num_sequences), seed_(seed) {
  if (num_sequences < 1 || num_sequences > kMaxSequences) {
    throw InvalidArgument(
        fmt::format("cannot order {} sequences: 1 to 2^62 are possible", num_sequences));
  }
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(num_sequences) - 1));
  if (bits > 2) half_bits_ = (bits + 1) / 2;
}

std::int64_t SequenceOrder::sequence_at(std::int64_t global_index) const {
  if (global_index < 0 || epoch_of(global_index) > 0xFFFFFFFF) {
    throw InvalidArgument(fmt::format("there is no sequence number {} in a run over {}",
                                      global_index, num_sequences_));
  }
  const auto epoch = static_cast<std::uint32_t>(epoch_of(global_index));
  auto place = static_cast<std::uint64_t>(global_index % num_sequences_);
  // A walk along a cycle of the larger permutation that starts inside comes back inside, after less
  // than four steps on average, and no two walks end in one place.
  do {
    place = encrypt(place, epoch);
  } while (place >= static_cast<std::uint64_t>(num_sequences_));
  return static_cast<std::int64_t>(place);
}

std::uint64_t SequenceOrder::encrypt(std::uint64_t block, std::uint32_t epoch) const {
  const RandomKey key{
      .seed = seed_, .purpose = RandomPurpose::data_order, .step = epoch, .layer = 0};
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = block >> half_bits_;
  std::uint64_t right = block & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint64_t mixed = left ^ (philox(key, right, round)[0] & mask);
    left = right;
    right = mixed;
  }
  return (left << half_bits_) | right;
}

}  // namespace softmoe::training
