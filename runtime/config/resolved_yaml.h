#pragma once

#include <string>

#include "runtime/config/load.h"
#include "runtime/config/origins.h"

namespace softmoe::config {

/// The whole configuration as a document that loads to the same values, each line with the origin
/// of its value. Secrets that the user wrote are comments without the value: who loads the document
/// gives them anew.
[[nodiscard]] std::string resolved_yaml(const Origins& origins);

template <class Root>
[[nodiscard]] std::string resolved_yaml(const Loaded<Root>& loaded) {
  return resolved_yaml(loaded.origins);
}

}  // namespace softmoe::config
