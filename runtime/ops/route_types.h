#pragma once

#include <string>

#include "runtime/base/dtype.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// Whether an optional tensor was handed over: a tensor of no rows was, TensorView{} was not.
[[nodiscard]] inline bool is_present(ConstTensorView tensor) {
  return tensor.data() != nullptr;
}

/// Calls `visitor.template operator()<T>()` with the type of router scores: f32 or f64. Scores are
/// never bf16: two experts 0.4 % apart would tie.
/// @throws InvalidArgument for any other type.
template <class Visitor>
decltype(auto) visit_score(DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case DType::f64:
      return visitor.template operator()<double>();
    case DType::f32:
      return visitor.template operator()<float>();
    default:
      throw InvalidArgument("scores of a router are f32 or f64, got " +
                            std::string(name_of(dtype)));
  }
}

}  // namespace softmoe::ops
