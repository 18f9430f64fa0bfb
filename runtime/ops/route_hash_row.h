#pragma once

#include <algorithm>

#include "runtime/ops/route_select.h"

namespace softmoe::ops {

/// The choice of one row of route_hash: draw j picks one of the C - j columns that are left.
inline void choose_by_hash(const RouteHashArguments& arguments, std::int64_t row) {
  const std::int64_t words = num_choice_words(arguments.columns);
  std::uint32_t* chosen = arguments.chosen_RW.data() + row * words;
  std::fill_n(chosen, words, 0U);
  const auto index = static_cast<std::uint64_t>(arguments.id_R[row]);
  for (int draw = 0; draw < arguments.count; ++draw) {
    const std::uint32_t word =
        philox(arguments.key, index, static_cast<std::uint32_t>(draw / 4))[draw % 4];
    const auto left = static_cast<std::uint64_t>(arguments.columns - draw);
    auto skip = static_cast<std::int64_t>((word * left) >> 32);
    std::int64_t column = 0;
    while (true) {
      const bool taken = (chosen[column / 32] >> (column % 32) & 1U) != 0;
      if (!taken && skip-- == 0) break;
      ++column;
    }
    chosen[column / 32] |= 1U << (column % 32);
  }
}

}  // namespace softmoe::ops
