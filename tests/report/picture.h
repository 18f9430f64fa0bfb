#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace softmoe::test {

/// A rectangle in pixels.
struct Region {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

/// The pixels of a PNG file as browsers write screenshots: 8 bits, RGB or RGBA, not interlaced.
class Picture {
 public:
  using Pixel = std::array<std::uint8_t, 3>;

  /// @throws std::runtime_error if it is no such file.
  explicit Picture(const std::filesystem::path& file);

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] Pixel at(int x, int y) const;
  /// Different colours in a region.
  [[nodiscard]] int count_colours(const Region& region) const;
  /// Share of its pixels that have another colour than the commonest one.
  [[nodiscard]] double drawn_share(const Region& region) const;

 private:
  int width_ = 0;
  int height_ = 0;
  int channels_ = 0;
  std::vector<std::uint8_t> bytes_;  ///< rows one after another
};

}  // namespace softmoe::test
