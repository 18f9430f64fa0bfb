#include "tests/dashboards/tools.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>

namespace softmoe::test {

namespace {

// promtool simulates hours of scraping; on a busy machine it takes its time.
constexpr auto kLimit = std::chrono::minutes(4);

struct Place {
  std::string path;
  std::string package;
};

const Place& place_of(Tool tool) {
  static const std::array<Place, 3> kPlaces = {{{SOFTMOE_PYTHON, "python3"},
                                                {SOFTMOE_PROMTOOL, "prometheus"},
                                                {SOFTMOE_PROMETHEUS, "prometheus"}}};
  return kPlaces.at(static_cast<std::size_t>(tool));
}

void skip(const std::string& why) {
  GTEST_SKIP() << why;
}

}  // namespace

std::string path_of(Tool tool) {
  const std::string& path = place_of(tool).path;
  return path.ends_with("-NOTFOUND") ? "" : path;
}

bool has_tool(Tool tool) {
  if (!path_of(tool).empty()) return true;
  const std::string why = "not on this machine; install the package " + place_of(tool).package +
                          " and configure the build again";
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") {
    ADD_FAILURE() << why;
  } else {
    skip(why);
  }
  return false;
}

Ended run_tool(Tool tool, const std::vector<std::string>& arguments,
               const std::filesystem::path& directory) {
  std::vector<std::string> words = {path_of(tool)};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_program({.words = words, .directory = directory}, kLimit);
}

}  // namespace softmoe::test
