#pragma once

#include <cstdint>

namespace softmoe {

/// What equal bits ask for.
enum class Determinism : std::uint8_t {
  repeatable,        ///< the same run on the same layout of ranks
  layout_invariant,  ///< the same run on any layout
};

}  // namespace softmoe
