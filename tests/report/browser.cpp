#include "tests/report/browser.h"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

namespace softmoe::test {

std::optional<Browser> Browser::find(const Workplace& place) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path program = std::filesystem::path(folder) / "chromium";
    if (std::filesystem::exists(program)) return Browser(place, program);
  }
  return std::nullopt;
}

Ended Browser::document(const std::filesystem::path& page) const {
  return open(page, {"--dump-dom"});
}

Ended Browser::picture(const std::filesystem::path& page, const std::filesystem::path& picture,
                       Scheme scheme) const {
  const int preferred = scheme == Scheme::dark ? 0 : 1;
  return open(page, {"--screenshot=" + picture.string(),
                     fmt::format("--blink-settings=preferredColorScheme={}", preferred)});
}

Ended Browser::open(const std::filesystem::path& page, const Words& words) const {
  const Words first = {program_.string(),
                       "--headless",
                       "--no-sandbox",  // refused to root otherwise; the page is our own
                       "--disable-gpu",
                       "--hide-scrollbars",
                       "--enable-logging=stderr",
                       "--user-data-dir=" + (*place_ / "browser").string(),
                       fmt::format("--window-size={},{}", kWidth, kHeight)};
  return run_program(
      {.words = first + words + Words{"file://" + page.string()}, .directory = *place_ / ""},
      std::chrono::seconds(120));
}

}  // namespace softmoe::test
