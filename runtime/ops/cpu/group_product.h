#pragma once

#include <cstdint>

#include "runtime/ops/cpu/product.h"
#include "runtime/ops/gemm.h"

namespace softmoe::ops::cpu {

/// The product of run number `number` of a grouped product: of run number % runs of group
/// number / runs.
[[nodiscard]] Product group_product(const GroupedGemmArguments& arguments, std::int64_t number);

/// That of one group's weight gradient, over the rows of arguments.run.
[[nodiscard]] Product group_weight_product(const GroupedGemmWeightArguments& arguments,
                                           std::int64_t group);

}  // namespace softmoe::ops::cpu
