#pragma once

// What CUDA kernels of the router do not do, in words.

#include <cstdint>
#include <string_view>

#include "runtime/base/dtype.h"

namespace softmoe::ops::cuda {

/// @throws DeviceError naming the operation and the cure unless scores are f32.
void require_f32(std::string_view operation, DType dtype);

/// @throws DeviceError: a row has more columns than `limit`.
[[noreturn]] void refuse_columns(std::string_view operation, std::int64_t columns,
                                 std::int64_t limit);

}  // namespace softmoe::ops::cuda
