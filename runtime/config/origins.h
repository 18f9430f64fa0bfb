#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/problems.h"

namespace softmoe::config {

/// One key of a configuration: what holds, where it came from and what it means.
struct Setting {
  std::string key;      ///< dotted from the root: "model.layers"
  std::string value;    ///< as YAML on one line; "<redacted>" for a secret of the user
  std::string origin;   ///< "default", "train.yaml:17:9" (of the key) or "command line"
  std::string allowed;  ///< "whole number from 1 to 4096", "servo | off", "list of text"
  std::string help;
  Place place;            ///< of the key
  bool redacted = false;  ///< `value` is not the value
};

/// Every key of a loaded configuration in the order of its binding, and what the user wrote.
class Origins {
 public:
  /// Where a section of the document stands.
  struct Section {
    std::string key;
    Place place;
  };

  Origins() = default;
  Origins(Input input, std::vector<Setting> settings, std::vector<Section> sections);

  [[nodiscard]] auto begin() const { return settings_.begin(); }
  [[nodiscard]] auto end() const { return settings_.end(); }
  [[nodiscard]] std::size_t size() const { return settings_.size(); }

  /// The setting of a dotted key, or null.
  [[nodiscard]] const Setting* find(std::string_view key) const;

  /// Where a key or a section stands; the document as a whole if neither was written.
  [[nodiscard]] Place place_of(std::string_view key) const;

  [[nodiscard]] const Input& input() const { return input_; }

 private:
  Input input_{.source = Source::none(), .overrides = {}};
  std::vector<Setting> settings_;
  std::vector<Section> sections_;
};

}  // namespace softmoe::config
