#pragma once

// Colours, by the names of classes: the page's style gives them for light and for dark.

#include <string>

namespace softmoe::training {

inline constexpr int kSeriesColours = 8;  ///< c0..c7: things of different kinds
inline constexpr int kLayerColours = 16;  ///< l0..l15: layers by depth
inline constexpr int kLevels = 17;        ///< s0..s16: little to much; d0..d16: below, at 8, above

/// "c3"
[[nodiscard]] std::string series_class(int index);
/// The colour of a layer among so many.
[[nodiscard]] std::string layer_class(std::size_t layer, std::size_t layers);
/// The level of a value that runs from 0 to 1, in [0, kLevels).
[[nodiscard]] int level_of(double share);

/// The custom properties --c0, --l0, --s0, --d0, … of a scheme, and the classes that use them.
[[nodiscard]] std::string light_colours();
[[nodiscard]] std::string dark_colours();
[[nodiscard]] std::string colour_classes();

}  // namespace softmoe::training
