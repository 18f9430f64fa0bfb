#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/config/binder.h"
#include "runtime/config/origins.h"
#include "runtime/config/source.h"

namespace softmoe::config {

/// A configuration and where each of its values came from.
template <class Root>
struct Loaded {
  Root value;
  Origins origins;
};

/// Reads a configuration: the defaults of Root, above them the document, above it the overrides
/// (`model.layers=4`, text taken as it stands, lists as `[0, 1]`; of equal keys the last counts).
///
/// @tparam Root a struct with `bind(Reader&)` and, perhaps, `validate(Check&) const`; its sections
///              are validated after all of it was bound, each only if nothing else is wrong in it.
/// @throws ConfigError with every mistake, each with its place, its line and the cure.
template <class Root>
[[nodiscard]] Loaded<Root> load(const Source& source, std::span<const std::string> overrides = {}) {
  Loaded<Root> loaded;
  Binder binder(source, overrides);
  binder.bind(loaded.value);
  loaded.origins = binder.finish();
  return loaded;
}

/// Every key of Root with its default, what it allows and its meaning.
template <class Root>
[[nodiscard]] Origins keys_of() {
  struct Unvalidated {
    Root root;
    void bind(Reader& reader) { root.bind(reader); }
  } defaults;
  Binder binder(Source::none(), {});
  binder.bind(defaults);
  return binder.finish();
}

}  // namespace softmoe::config
