#include "runtime/config/binder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/config/suggest.h"
#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

constexpr std::size_t kMaxListedKeys = 8;

std::string join(std::string_view section, std::string_view name) {
  return section.empty() ? std::string(name) : fmt::format("{}.{}", section, name);
}

std::string_view section_of(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}

std::string_view name_in_section(std::string_view key) {
  return key.substr(key.rfind('.') + 1);
}

std::vector<std::string> names_beneath(std::string_view section,
                                       const std::vector<std::string>& keys) {
  std::vector<std::string> names;
  for (const std::string& key : keys) {
    if (section_of(key) == section) names.emplace_back(name_in_section(key));
  }
  return names;
}

}  // namespace

Binder::Binder(const Source& source, std::span<const std::string> overrides)
    : input_{.source = source, .overrides = {overrides.begin(), overrides.end()}} {
  std::optional<Node> root = parse_document(input_.source, problems_);
  for (std::size_t i = 0; i < input_.overrides.size(); ++i) {
    split_override(input_.overrides[i], static_cast<int>(i));
  }
  if (!root) problems_.throw_if_any(input_);
  root_ = std::move(root).value();
}

void Binder::split_override(const std::string& text, int index) {
  const Place key_place{Place::In::command_line, index, 1};
  const std::size_t sign = text.find('=');
  if (const auto fault = find_text_fault(text)) {
    problems_.add({Place::In::command_line, index, static_cast<int>(fault->offset) + 1},
                  fault->message);
  } else if (sign == std::string::npos || sign == 0) {
    problems_.add(
        key_place,
        fmt::format("'{}' is not of the form key=value, such as model.layers=4", brief(text)));
  } else {
    Node value;
    value.place = {Place::In::command_line, index, static_cast<int>(sign) + 2};
    value.text = text.substr(sign + 1);
    const bool is_null = value.text == "null" || value.text == "~";
    value.kind = is_null ? Node::Kind::null : Node::Kind::scalar;
    overrides_.push_back({text.substr(0, sign), key_place, std::move(value)});
  }
}

Given Binder::find(const std::string& key, const Node* map, std::string_view name) {
  Given given;
  for (Override& each : overrides_) {  // of equal keys the last counts
    if (each.key != key) continue;
    each.used = true;
    given = {&each.value, each.key_place};
  }
  if (given.node != nullptr || map == nullptr) return given;
  const auto entry = std::find_if(map->entries.begin(), map->entries.end(),
                                  [name](const Entry& e) { return e.key == name; });
  if (entry == map->entries.end() || entry->value.kind == Node::Kind::refused) return given;
  return {&entry->value, entry->place};
}

void Binder::note(Setting setting, const Given& given) {
  setting.place = given.key_place;
  setting.origin = input_.name_of(given.key_place);
  settings_.push_back(std::move(setting));
}

std::vector<std::string> Binder::all_keys() const {
  std::vector<std::string> keys;
  for (const Setting& setting : settings_) keys.push_back(setting.key);
  for (const Origins::Section& section : sections_) keys.push_back(section.key);
  return keys;
}

std::string Binder::advice(const UnknownKey& unknown) const {
  const std::vector<std::string> keys = all_keys();
  const auto meant = [](std::string_view key) { return fmt::format(" — did you mean '{}'?", key); };
  std::string_view section = unknown.section;
  std::vector<std::string> names = names_beneath(section, keys);
  if (const auto near = nearest(unknown.name, names)) return meant(join(section, *near));
  for (const std::string& key : keys) {
    if (name_in_section(key) == unknown.name) return meant(key);
  }
  if (const auto near = nearest(join(section, unknown.name), keys)) return meant(*near);

  if (names.empty()) {
    section = {};
    names = names_beneath(section, keys);
  }
  if (names.empty()) return "; no key is known here";
  const bool is_cut = names.size() > kMaxListedKeys;
  if (is_cut) names.resize(kMaxListedKeys);
  const std::string where = section.empty() ? "at the top" : fmt::format("of '{}'", section);
  return fmt::format("; the keys {} are {}{}", where, fmt::join(names, ", "), is_cut ? ", …" : "");
}

void Binder::explain_unknown_keys() {
  std::stable_sort(unknown_keys_.begin(), unknown_keys_.end(),
                   [](const UnknownKey& a, const UnknownKey& b) { return a.place < b.place; });
  // Advice costs a comparison with every key; what is never shown needs none.
  for (std::size_t i = 0; i < unknown_keys_.size(); ++i) {
    const UnknownKey& unknown = unknown_keys_[i];
    problems_.add(unknown.place,
                  fmt::format("unknown key '{}'{}", brief(join(unknown.section, unknown.name)),
                              i < Problems::kMaxShown ? advice(unknown) : std::string()));
  }
}

void Binder::explain_unknown_overrides() {
  for (const Override& each : overrides_) {
    if (each.used) continue;
    const auto is_section = [&](const Origins::Section& s) { return s.key == each.key; };
    if (std::any_of(sections_.begin(), sections_.end(), is_section)) {
      const auto within = std::find_if(settings_.begin(), settings_.end(), [&](const Setting& s) {
        return s.key.starts_with(each.key + '.');
      });
      const std::string example =
          within == settings_.end() ? "" : fmt::format(", such as '{}'", within->key);
      problems_.add(each.key_place,
                    fmt::format("'{}' is a section; set one of its keys{}", each.key, example));
    } else {
      unknown_keys_.push_back({std::string(section_of(each.key)),
                               std::string(name_in_section(each.key)), each.key_place});
    }
  }
}

Origins Binder::finish() {
  explain_unknown_overrides();
  explain_unknown_keys();
  Origins origins(std::move(input_), std::move(settings_), std::move(sections_));
  for (const Validation& validation : validations_) {
    Check check(origins, validation.section);
    validation.run(check);
    problems_.append(check.problems());
  }
  problems_.throw_if_any(origins.input());
  return origins;
}

}  // namespace softmoe::config
