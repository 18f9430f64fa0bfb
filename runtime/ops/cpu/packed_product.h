#pragma once

// Products of some rows with a matrix that comes from memory: rows of an expert with its weights. A
// library first turns all of that matrix, and waits for memory meanwhile. Here a panel of its
// columns is turned at a time, and the next one is fetched while that is multiplied.

#include "runtime/ops/cpu/product.h"

namespace softmoe::ops::cpu {

/// Whether multiply_packed() takes so many rows, columns and terms: from 16 rows on, as many as its
/// copy of them holds, 252 with 256 terms.
[[nodiscard]] bool can_be_packed(const BlasProduct& extents);

/// C = alpha * A B^T. @param product  its columns of B lie behind one another; beta is 0
void multiply_packed(const Product& product);

}  // namespace softmoe::ops::cpu
