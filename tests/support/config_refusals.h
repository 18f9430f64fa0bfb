#pragma once

#include <string>

#include "runtime/base/errors.h"
#include "runtime/config/check.h"

namespace softmoe {

/// What the user reads about a section of the configuration; empty if it is accepted.
std::string refusals(const auto& config) {
  config::Check check;
  config.validate(check);
  try {
    check.throw_if_refused();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace softmoe
