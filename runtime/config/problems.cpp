#include "runtime/config/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/config/secret.h"
#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

constexpr std::size_t kExcerptCells = 96;  // characters of a line that are shown

std::string_view line_of(const Input& input, const Place& place) {
  switch (place.in) {
    case Place::In::document:
      return input.source.line(place.line);
    case Place::In::command_line:
      return input.overrides.at(place.line);
    case Place::In::defaults:
      break;
  }
  return {};
}

// The place of the caret, counted in characters from 0.
std::size_t caret_of(std::string_view line, const Place& place) {
  const std::size_t bytes = place.column > 0 ? static_cast<std::size_t>(place.column) - 1 : 0;
  return characters_of(line.substr(0, std::min(bytes, line.size()))).size();
}

}  // namespace

std::string Input::name_of(const Place& place) const {
  switch (place.in) {
    case Place::In::document:
      if (place.line == 0) return source.name();
      return fmt::format("{}:{}:{}", source.name(), place.line,
                         caret_of(line_of(*this, place), place) + 1);
    case Place::In::command_line:
      return "command line";
    case Place::In::defaults:
      break;
  }
  return "default";
}

std::string Input::excerpt(const Place& place) const {
  if (place.in == Place::In::defaults) return {};
  if (place.in == Place::In::document && place.line == 0) return {};
  const std::string_view line = line_of(*this, place);
  const std::size_t caret = caret_of(line, place);

  // The window moves with the caret along a long line.
  const std::size_t begin = caret < kExcerptCells ? 0 : caret - kExcerptCells / 2;
  const std::vector<std::string> characters = characters_of(without_secret(line));
  const std::size_t end = std::min(characters.size(), begin + kExcerptCells);
  std::string shown = begin > 0 ? "…" : "";
  for (std::size_t i = begin; i < end; ++i) shown += characters[i];
  if (end < characters.size()) shown += "…";

  const std::string number =
      place.in == Place::In::document ? std::to_string(place.line) : std::string();
  const std::size_t indent = caret - begin + (begin > 0 ? 1 : 0);
  return fmt::format("{:>5} | {}\n{:>5} | {}^", number, shown, "", std::string(indent, ' '));
}

void Problems::add(const Place& place, std::string message) {
  problems_.push_back({place, std::move(message)});
}

void Problems::append(const Problems& others) {
  problems_.insert(problems_.end(), others.problems_.begin(), others.problems_.end());
}

void Problems::throw_if_any(const Input& input) const {
  if (problems_.empty()) return;
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });

  std::string all;
  const std::size_t num_shown = std::min(sorted.size(), kMaxShown);
  for (std::size_t i = 0; i < num_shown; ++i) {
    const auto& [place, message] = sorted[i];
    const std::string name =
        place.in == Place::In::defaults ? input.source.name() : input.name_of(place);
    if (i > 0) all += '\n';
    all += fmt::format("{}: error: {}", printable(name), message);
    if (const std::string lines = input.excerpt(place); !lines.empty()) all += '\n' + lines;
  }
  if (sorted.size() > num_shown) all += fmt::format("\nand {} more", sorted.size() - num_shown);
  throw ConfigError(all);
}

}  // namespace softmoe::config
