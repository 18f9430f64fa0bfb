#include "bench/tagged_rows.h"

namespace softmoe::bench {

namespace {

/// The element at `place` of a row.
std::uint32_t element_of(const RowTag& tag, std::size_t place) {
  switch (place) {
    case 0:
      return static_cast<std::uint32_t>(tag.source);
    case 1:
      return static_cast<std::uint32_t>(tag.cell);
    case 2:
      return static_cast<std::uint32_t>(tag.index);
    default:
      break;
  }
  // Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014 (mix64).
  std::uint64_t word = (static_cast<std::uint64_t>(tag.source) << 44) +
                       (static_cast<std::uint64_t>(tag.cell) << 28) +
                       static_cast<std::uint64_t>(tag.index) + place * 0x9e3779b97f4a7c15ULL;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<std::uint32_t>(word >> 32);
}

}  // namespace

void write_tagged_row(std::span<std::uint32_t> row, const RowTag& tag) {
  for (std::size_t place = 0; place < row.size(); ++place) row[place] = element_of(tag, place);
}

std::int64_t count_wrong_elements(std::span<const std::uint32_t> row, const RowTag& tag) {
  std::int64_t wrong = 0;
  for (std::size_t place = 0; place < row.size(); ++place) {
    if (row[place] != element_of(tag, place)) ++wrong;
  }
  return wrong;
}

}  // namespace softmoe::bench
