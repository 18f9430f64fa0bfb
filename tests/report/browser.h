#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tests/integration/workplace.h"

namespace softmoe::test {

enum class Scheme { light, dark };

/// Debian's chromium without a window, its profile in a workplace.
class Browser {
 public:
  /// Nothing if there is none on the PATH.
  [[nodiscard]] static std::optional<Browser> find(const Workplace& place);

  /// The document after its scripts have run, behind what the browser logged.
  [[nodiscard]] Ended document(const std::filesystem::path& page) const;
  /// A picture of a window so large.
  [[nodiscard]] Ended picture(const std::filesystem::path& page,
                              const std::filesystem::path& picture, Scheme scheme) const;

  static constexpr int kWidth = 1280;
  static constexpr int kHeight = 6000;

 private:
  Browser(const Workplace& place, std::filesystem::path program)
      : place_(&place), program_(std::move(program)) {}
  [[nodiscard]] Ended open(const std::filesystem::path& page, const Words& words) const;

  const Workplace* place_;
  std::filesystem::path program_;
};

}  // namespace softmoe::test
