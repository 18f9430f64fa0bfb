#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::training {

enum class Split : std::uint8_t { train, validation };

/// A number in [0, 1) that depends on the name alone: scattered evenly over names, equal on every
/// machine, and unmoved by files that come and go beside it.
/// @param salt  different salts give independent numbers.
[[nodiscard]] double scatter(std::string_view name, std::uint64_t salt);

/// Sets whole documents apart for validation, so that no text is in both.
///
/// A document is validation if its scatter() is below the fraction; adding documents later never
/// moves one from a side to the other. If a side would be empty, it gets the nearest document.
///
/// @param names     at least two.
/// @param fraction  in (0, 1).
/// @throws InvalidArgument if either is not so.
[[nodiscard]] std::vector<Split> split_documents(std::span<const std::string> names,
                                                 double fraction);

}  // namespace softmoe::training
