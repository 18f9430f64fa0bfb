#pragma once

// The only place that calls oneDNN.

#include <cstdint>
#include <string>

#include "runtime/ops/cpu/blas.h"

namespace softmoe::ops::cpu {

/// sgemm() by oneDNN, on the calling thread alone. @param product no extent is 0.
void onednn_sgemm(const BlasProduct& product, const BlasMatrix& a, const BlasMatrix& b, float* c,
                  std::int64_t c_stride);

/// Of the library that runs: "2.6.3".
[[nodiscard]] std::string onednn_version();

}  // namespace softmoe::ops::cpu
