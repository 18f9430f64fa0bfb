#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace softmoe::ops::cpu {

/// Copies a row; one of a single number, such as a gate, without a call.
inline void copy_row(const std::byte* from, std::byte* to, std::int64_t bytes) {
  if (bytes == sizeof(float)) {
    std::memcpy(to, from, sizeof(float));
  } else {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
}

}  // namespace softmoe::ops::cpu
