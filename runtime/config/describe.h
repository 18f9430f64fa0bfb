#pragma once

#include <string>

#include "runtime/config/load.h"
#include "runtime/config/origins.h"

namespace softmoe::config {

enum class TableFormat { text, markdown };

/// A table of settings: key, value, what is allowed, meaning; one line each, in their order.
[[nodiscard]] std::string describe(const Origins& settings, TableFormat format);

/// The table of all keys of a configuration with their defaults, for `--help` and the documents.
template <class Root>
[[nodiscard]] std::string describe(TableFormat format = TableFormat::text) {
  return describe(keys_of<Root>(), format);
}

}  // namespace softmoe::config
