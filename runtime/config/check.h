#pragma once

#include <string>
#include <string_view>

#include "runtime/config/origins.h"
#include "runtime/config/problems.h"

namespace softmoe::config {

/// Collects what is wrong with values that were read well, each at the place of its key.
///
/// load() hands one to the `validate` of every section, whose keys are relative to the section. For
/// rules across sections make one from a Loaded and use keys from the root:
///
///     config::Check check(loaded.origins);
///     if (budget < layers) check.refuse("budget.total", "must be at least model.layers");
///     check.throw_if_refused();
class Check {
 public:
  /// Without a document: messages name the key alone. For structs that were filled in by code.
  Check() = default;

  /// @param origins outlives the check.
  explicit Check(const Origins& origins) : origins_(&origins) {}

  /// The same for the keys of one section, "" for the root.
  Check(const Origins& origins, std::string_view section) : origins_(&origins), section_(section) {}

  /// Adds `key: message`. An empty key is the section itself. The message names the cure.
  void refuse(std::string_view key, std::string_view message);

  [[nodiscard]] bool passed() const { return problems_.empty(); }
  [[nodiscard]] const Problems& problems() const { return problems_; }

  /// @throws ConfigError with all refusals, in the order of their places, if there is any.
  void throw_if_refused() const;

 private:
  const Origins* origins_ = nullptr;
  std::string section_;
  Problems problems_;
};

}  // namespace softmoe::config
