#include "runtime/config/check.h"

#include <fmt/format.h>

namespace softmoe::config {

void Check::refuse(std::string_view key, std::string_view message) {
  const bool needs_dot = !section_.empty() && !key.empty();
  const std::string path = fmt::format("{}{}{}", section_, needs_dot ? "." : "", key);
  const std::string named = path.empty() ? std::string() : path + ": ";
  if (origins_ == nullptr) {
    problems_.add({}, fmt::format("{}{}", named, message));
    return;
  }
  const Setting* setting = origins_->find(path);
  if (setting != nullptr && setting->place.in == Place::In::defaults) {
    problems_.add({}, fmt::format("{} (default {}): {}", path, setting->value, message));
  } else {
    problems_.add(origins_->place_of(path), fmt::format("{}{}", named, message));
  }
}

void Check::throw_if_refused() const {
  if (origins_ == nullptr) {
    problems_.throw_if_any({.source = Source::none(), .overrides = {}});
  } else {
    problems_.throw_if_any(origins_->input());
  }
}

}  // namespace softmoe::config
