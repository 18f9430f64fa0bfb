#include "training/report/palette.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace softmoe::training {

namespace {

struct Colour {
  double red, green, blue;
};

constexpr Colour colour(unsigned hex) {
  return {static_cast<double>(hex >> 16), static_cast<double>(hex >> 8 & 0xFF),
          static_cast<double>(hex & 0xFF)};
}

/// A way through some colours, at `share` in [0, 1].
Colour between(std::span<const unsigned> anchors, double share) {
  const double place = share * static_cast<double>(anchors.size() - 1);
  const auto left = std::min(static_cast<std::size_t>(place), anchors.size() - 2);
  const double part = place - static_cast<double>(left);
  const Colour a = colour(anchors[left]);
  const Colour b = colour(anchors[left + 1]);
  const auto mix = [part](double from, double to) { return from + part * (to - from); };
  return {mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue)};
}

std::string ramp(char name, std::span<const unsigned> anchors, int count) {
  std::string properties;
  for (int index = 0; index < count; ++index) {
    const Colour mixed = between(anchors, index / static_cast<double>(count - 1));
    properties += fmt::format("--{}{}:#{:02x}{:02x}{:02x};", name, index, std::lround(mixed.red),
                              std::lround(mixed.green), std::lround(mixed.blue));
  }
  return properties;
}

std::string series(std::span<const unsigned> colours) {
  std::string properties;
  for (std::size_t index = 0; index < colours.size(); ++index) {
    properties += fmt::format("--c{}:#{:06x};", index, colours[index]);
  }
  return properties;
}

// Each row was chosen to be told apart by the colour-blind on its ground; depth, load and imbalance
// run through one change of lightness.
constexpr std::array<unsigned, kSeriesColours> kLightSeries = {
    0x2a78d6, 0xe8632a, 0x1a9e70, 0xd99a00, 0xd9558a, 0x4a3aa7, 0x2d8a1e, 0x8c8a84};
constexpr std::array<unsigned, kSeriesColours> kDarkSeries = {
    0x4a94ec, 0xe5743c, 0x2bb583, 0xd6a020, 0xe0699a, 0x9a8cf0, 0x5cb548, 0x8f8d88};
constexpr std::array<unsigned, 5> kLightLayers = {0x2c0594, 0x7201a8, 0xb12a90, 0xe0605f, 0xf0962f};
constexpr std::array<unsigned, 5> kDarkLayers = {0x9167f2, 0xc05ec4, 0xe56b85, 0xf79a52, 0xf5dc4a};
constexpr std::array<unsigned, 4> kLightMuch = {0xeaf2fc, 0x9ec5f4, 0x2f7bd6, 0x0b2c5c};
constexpr std::array<unsigned, 4> kDarkMuch = {0x1f2733, 0x1d5396, 0x4b95ea, 0xd8e9fd};
constexpr std::array<unsigned, 7> kLightRatio = {0x0d3f85, 0x3a80d2, 0xa9caf0, 0xf1efea,
                                                 0xf6bd9c, 0xdd6a31, 0x8c2f0b};
constexpr std::array<unsigned, 7> kDarkRatio = {0x8fc2ff, 0x4a8ee0, 0x28497a, 0x2c2c2b,
                                                0x7c4022, 0xdb6c34, 0xffb98f};

}  // namespace

std::string series_class(int index) {
  return fmt::format("c{}", index % kSeriesColours);
}

std::string layer_class(std::size_t layer, std::size_t layers) {
  const double share =
      layers < 2 ? 0.0 : static_cast<double>(layer) / static_cast<double>(layers - 1);
  return fmt::format("l{}", std::lround(share * (kLayerColours - 1)));
}

int level_of(double share) {
  return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * (kLevels - 1)));
}

std::string light_colours() {
  return series(kLightSeries) + ramp('l', kLightLayers, kLayerColours) +
         ramp('s', kLightMuch, kLevels) + ramp('d', kLightRatio, kLevels);
}

std::string dark_colours() {
  return series(kDarkSeries) + ramp('l', kDarkLayers, kLayerColours) +
         ramp('s', kDarkMuch, kLevels) + ramp('d', kDarkRatio, kLevels);
}

std::string colour_classes() {
  constexpr std::array<std::pair<char, int>, 4> kFamilies = {
      {{'c', kSeriesColours}, {'l', kLayerColours}, {'s', kLevels}, {'d', kLevels}}};
  std::string classes;
  for (const auto& [name, count] : kFamilies) {
    for (int index = 0; index < count; ++index) {
      classes += fmt::format(".{0}{1}{{--is:var(--{0}{1})}}", name, index);
    }
  }
  return classes;
}

}  // namespace softmoe::training
