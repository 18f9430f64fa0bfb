#pragma once

#include <cstddef>
#include <type_traits>

#include "runtime/device/view.h"

namespace softmoe::parallel {

/// The bytes of typed numbers, as communicators take them.
template <class T>
[[nodiscard]] auto bytes_of(View<T> view) {
  using Byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
  return View<Byte>(reinterpret_cast<Byte*>(view.data()), view.bytes());
}

}  // namespace softmoe::parallel
