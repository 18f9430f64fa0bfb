#include "training/data/pair_counts.h"

#include <fmt/format.h>

#include <limits>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

constexpr std::uint64_t kMaxDensePairs = (std::uint64_t{256} << 20) / sizeof(std::uint32_t);
constexpr std::size_t kFirstSlots = 1 << 16;

}  // namespace

PairCounts::PairCounts(std::int64_t vocab_size)
    : vocab_size_(static_cast<std::uint64_t>(vocab_size)) {
  if (vocab_size < 1 || vocab_size > std::numeric_limits<std::int32_t>::max()) {
    throw InvalidArgument(
        fmt::format("cannot count pairs of tokens from a vocabulary of {}", vocab_size));
  }
  if (const std::int64_t bytes = table_bytes(vocab_size); bytes > 0) {
    dense_.resize(static_cast<std::size_t>(bytes) / sizeof(std::uint32_t));
  } else {
    slots_.resize(kFirstSlots);
  }
}

std::int64_t PairCounts::table_bytes(std::int64_t vocab_size) {
  const auto pairs =
      static_cast<std::uint64_t>(vocab_size) * static_cast<std::uint64_t>(vocab_size);
  return pairs <= kMaxDensePairs ? static_cast<std::int64_t>(pairs * sizeof(std::uint32_t)) : 0;
}

std::size_t PairCounts::place_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  // Fibonacci hashing: the high bits of the product depend on all bits of the key.
  std::size_t place = (key * 0x9E3779B97F4A7C15ULL >> 20) & mask;
  while (slots_[place].count != 0 && slots_[place].key != key) place = (place + 1) & mask;
  return place;
}

std::uint32_t& PairCounts::slot_for(std::uint64_t key) {
  std::size_t place = place_of(key);
  if (slots_[place].count == 0) {
    if (2 * (used_slots_ + 1) > slots_.size()) {
      grow();
      place = place_of(key);
    }
    ++used_slots_;
    slots_[place].key = key;
  }
  return slots_[place].count;
}

void PairCounts::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.count != 0) slots_[place_of(slot.key)] = slot;
  }
}

}  // namespace softmoe::training
