#pragma once

#include <type_traits>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe {

/// Converts between integer types and keeps the value.
/// @throws InvalidArgument if the value does not fit, e.g. a byte count where MPI wants an `int`.
template <class To, class From>
[[nodiscard]] constexpr To narrow(From value) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  if (!std::in_range<To>(value)) {
    throw InvalidArgument("the integer " + std::to_string(value) +
                          " does not fit its target type of " + std::to_string(sizeof(To)) +
                          " bytes");
  }
  return static_cast<To>(value);
}

}  // namespace softmoe
