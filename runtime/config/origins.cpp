#include "runtime/config/origins.h"

#include <algorithm>
#include <utility>

namespace softmoe::config {

Origins::Origins(Input input, std::vector<Setting> settings, std::vector<Section> sections)
    : input_(std::move(input)), settings_(std::move(settings)), sections_(std::move(sections)) {}

const Setting* Origins::find(std::string_view key) const {
  const auto found = std::find_if(settings_.begin(), settings_.end(),
                                  [key](const Setting& setting) { return setting.key == key; });
  return found == settings_.end() ? nullptr : &*found;
}

Place Origins::place_of(std::string_view key) const {
  if (const Setting* setting = find(key)) return setting->place;
  const auto section = std::find_if(sections_.begin(), sections_.end(),
                                    [key](const Section& s) { return s.key == key; });
  return section == sections_.end() ? Place{} : section->place;
}

}  // namespace softmoe::config
