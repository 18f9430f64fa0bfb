#pragma once

#include <cstdint>
#include <string>

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::model {

/// Where a tensor starts.
struct InitialValues {
  std::uint64_t seed = 0;
  std::string name;  ///< logical: an expert starts alike wherever it lives
  double std = 0;    ///< normal with mean 0; with 0 all elements are `constant`
  double constant = 0;
};

/// Fills `target` element by element from Philox keyed by (seed, name, element). Waits for the
/// stream.
void fill_initial_values(const InitialValues& initial, TensorView target, Stream& stream);

}  // namespace softmoe::model
