#pragma once

#include <cstdint>
#include <string_view>

namespace softmoe::model {

/// What a block computes again in backward, instead of keeping it from forward.
enum class Recompute : std::uint8_t {
  none,
  block,  ///< all but its input and the route plan; the router never runs twice
};

/// As configurations spell it.
[[nodiscard]] constexpr std::string_view name_of(Recompute recompute) {
  return recompute == Recompute::block ? "block" : "none";
}

}  // namespace softmoe::model
