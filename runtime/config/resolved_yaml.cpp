#include "runtime/config/resolved_yaml.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

constexpr std::size_t kOriginColumn = 44;

std::vector<std::string_view> split(std::string_view key) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = key.find('.');
    parts.push_back(key.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    key.remove_prefix(dot + 1);
  }
}

std::string indent(std::size_t depth) {
  return std::string(2 * depth, ' ');
}

}  // namespace

std::string resolved_yaml(const Origins& origins) {
  std::string yaml;
  std::vector<std::string_view> open;  // the sections around the line
  for (const Setting& setting : origins) {
    const std::vector<std::string_view> parts = split(setting.key);
    const std::size_t depth = parts.size() - 1;
    std::size_t shared = 0;
    while (shared < depth && shared < open.size() && open[shared] == parts[shared]) ++shared;
    open.resize(shared);
    for (std::size_t i = shared; i < depth; ++i) {
      yaml += fmt::format("{}{}:\n", indent(i), parts[i]);
      open.push_back(parts[i]);
    }
    const std::string line = fmt::format("{}{}{}: {}", indent(depth), setting.redacted ? "# " : "",
                                         parts.back(), setting.value);
    yaml += fmt::format("{:<{}}  # {}\n", line, kOriginColumn, printable(setting.origin));
  }
  return yaml;
}

}  // namespace softmoe::config
