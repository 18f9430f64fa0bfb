#pragma once

// Element types that CUDA kernels store: f32 and bf16, both computed in f32.

#include <string_view>

#include "runtime/base/dtype.h"

namespace softmoe::ops::cuda {

/// @throws DeviceError naming the operation and the cure for a type that kernels do not store.
[[noreturn]] void refuse_storage(std::string_view operation, DType dtype);

/// Calls `visitor.template operator()<T>()` with float or Bf16.
/// @throws DeviceError naming the operation and the cure for any other type.
template <class Visitor>
decltype(auto) visit_storage(std::string_view operation, DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case DType::f32:
      return visitor.template operator()<float>();
    case DType::bf16:
      return visitor.template operator()<Bf16>();
    default:
      refuse_storage(operation, dtype);
  }
}

}  // namespace softmoe::ops::cuda
