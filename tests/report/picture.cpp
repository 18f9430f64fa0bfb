#include "tests/report/picture.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

#include "tests/integration/workplace.h"

namespace softmoe::test {

namespace {

std::uint32_t number_at(const std::string& file, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t byte = 0; byte < 4; ++byte) {
    number = number << 8 | static_cast<std::uint8_t>(file.at(at + byte));
  }
  return number;
}

std::uint8_t paeth(int left, int up, int corner) {
  const int guess = left + up - corner;
  const int to_left = std::abs(guess - left);
  const int to_up = std::abs(guess - up);
  const int to_corner = std::abs(guess - corner);
  if (to_left <= to_up && to_left <= to_corner) return static_cast<std::uint8_t>(left);
  return static_cast<std::uint8_t>(to_up <= to_corner ? up : corner);
}

/// What a filter adds to a byte, from its neighbours.
int predicted(int filter, int left, int up, int corner) {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) / 2;
    case 4:
      return paeth(left, up, corner);
    default:
      throw std::runtime_error("a filter that PNG does not have");
  }
}

}  // namespace

Picture::Picture(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  if (!file.starts_with("\x89PNG\r\n\x1a\n")) throw std::runtime_error("no PNG: " + path.string());
  std::string packed;
  for (std::size_t at = 8; at < file.size(); at += number_at(file, at) + 12) {
    const std::string kind = file.substr(at + 4, 4);
    if (kind == "IHDR") {
      width_ = static_cast<int>(number_at(file, at + 8));
      height_ = static_cast<int>(number_at(file, at + 12));
      channels_ = file.at(at + 17) == 2 ? 3 : 4;
    } else if (kind == "IDAT") {
      packed += file.substr(at + 8, number_at(file, at));
    }
  }
  const auto row = static_cast<std::size_t>(width_ * channels_);
  std::vector<std::uint8_t> raw((row + 1) * static_cast<std::size_t>(height_));
  uLongf size = raw.size();
  const int code =
      uncompress(raw.data(), &size, reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  if (code != Z_OK || size != raw.size()) throw std::runtime_error("a damaged PNG");
  bytes_.resize(row * static_cast<std::size_t>(height_));
  const auto step = static_cast<std::size_t>(channels_);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height_); ++y) {
    for (std::size_t x = 0; x < row; ++x) {
      const std::size_t here = y * row + x;
      const int left = x < step ? 0 : bytes_[here - step];
      const int up = y == 0 ? 0 : bytes_[here - row];
      const int corner = x < step || y == 0 ? 0 : bytes_[here - row - step];
      bytes_[here] = static_cast<std::uint8_t>(raw[y * (row + 1) + 1 + x] +
                                               predicted(raw[y * (row + 1)], left, up, corner));
    }
  }
}

Picture::Pixel Picture::at(int x, int y) const {
  const auto place = static_cast<std::size_t>((y * width_ + x) * channels_);
  return {bytes_.at(place), bytes_.at(place + 1), bytes_.at(place + 2)};
}

int Picture::count_colours(const Region& region) const {
  std::map<Pixel, int> counts;
  for (int y = region.top; y < region.top + region.height; ++y) {
    for (int x = region.left; x < region.left + region.width; ++x) ++counts[at(x, y)];
  }
  return static_cast<int>(counts.size());
}

double Picture::drawn_share(const Region& region) const {
  std::map<Pixel, int> counts;
  int commonest = 0;
  for (int y = region.top; y < region.top + region.height; ++y) {
    for (int x = region.left; x < region.left + region.width; ++x) {
      commonest = std::max(commonest, ++counts[at(x, y)]);
    }
  }
  return 1.0 - static_cast<double>(commonest) / (region.width * region.height);
}

}  // namespace softmoe::test
