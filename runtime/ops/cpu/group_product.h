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

/// Rows [begin, end) of a weight gradient's product: of those that are its terms. The first adds to
/// what beta says, the others to the first.
[[nodiscard]] Product rows_of_weight_product(const Product& whole, std::int64_t begin,
                                             std::int64_t end);

}  // namespace softmoe::ops::cpu
