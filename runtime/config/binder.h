#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/config/check.h"
#include "runtime/config/document.h"
#include "runtime/config/origins.h"
#include "runtime/config/problems.h"
#include "runtime/config/reader.h"

namespace softmoe::config {

/// What the user gave for one key.
struct Given {
  const Node* node = nullptr;  ///< null if nothing
  Place key_place;             ///< of the key; Place{} if nothing was given
};

/// One load in progress: the tree of the document, the overrides, and what the readers of the
/// sections found. load() is its face.
class Binder {
 public:
  /// @throws ConfigError if the structure of the document is broken.
  Binder(const Source& source, std::span<const std::string> overrides);

  Binder(const Binder&) = delete;
  Binder& operator=(const Binder&) = delete;

  template <class Root>
  void bind(Root& root) {
    Reader(*this, std::string(), root_.kind == Node::Kind::map ? &root_ : nullptr).bind_all(root);
  }

  /// Validates the sections in which nothing is wrong yet and hands out what was noted. Call once,
  /// while the bound structs live.
  /// @throws ConfigError with every mistake.
  [[nodiscard]] Origins finish();

 private:
  friend class Reader;

  struct Override {
    std::string key;
    Place key_place;
    Node value;
    bool used = false;
  };
  struct UnknownKey {
    std::string section;
    std::string name;
    Place place;
  };
  struct Validation {
    std::string section;
    std::function<void(Check&)> run;
  };

  void split_override(const std::string& text, int index);
  [[nodiscard]] Given find(const std::string& key, const Node* map, std::string_view name);
  void note(Setting setting, const Given& given);
  void explain_unknown_keys();
  void explain_unknown_overrides();
  [[nodiscard]] std::string advice(const UnknownKey& unknown) const;
  [[nodiscard]] std::vector<std::string> all_keys() const;

  Input input_;
  Problems problems_;
  Node root_;
  std::vector<Override> overrides_;
  std::vector<Setting> settings_;
  std::vector<Origins::Section> sections_;
  std::vector<UnknownKey> unknown_keys_;
  std::vector<Validation> validations_;
};

}  // namespace softmoe::config
