#pragma once

#include <array>

#include "parallel/communicator.h"
#include "runtime/device/workspace.h"

namespace softmoe::launcher {

/// Room that measure_peak_flops() takes for its matrices. @param scratch an Arena or an
/// ArenaMeasure
template <class Memory>
[[nodiscard]] std::array<TensorView, 3> push_peak_matrices(Memory& scratch) {
  constexpr std::int64_t kSize = 768;
  std::array<TensorView, 3> matrices;
  for (TensorView& matrix : matrices) matrix = scratch.push(DType::f32, {kSize, kSize});
  return matrices;
}

/// Floating-point operations per second of large fp32 matrix products, all ranks at once: what a
/// step is compared with. Takes a few tenths of a second. Collective.
[[nodiscard]] double measure_peak_flops(parallel::Communicator& world, Workspace& work);

}  // namespace softmoe::launcher
