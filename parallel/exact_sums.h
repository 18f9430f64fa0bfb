#pragma once

// Sums over lanes and ranks whose bits depend on neither's number. Letters: N sums.

#include <cstdint>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/device/arena.h"
#include "runtime/device/buffer.h"

namespace softmoe::parallel {

/// Keeps exact sums (ops/exact_sum.h) beside f64 numbers that kernels add up lane by lane. Its
/// operations allocate nothing.
class ExactSums {
 public:
  /// @param numbers  where a lane's sums are left, and where begin() and those of all ranks
  ///                 arrive; they outlive this
  ExactSums(std::vector<View<double>> numbers, Device& device);

  /// Everything := 0.
  void begin(Stream& stream);
  /// Takes over what a lane has left in the numbers, and zeroes them for the next one.
  void take_lane(Stream& stream);
  /// The integers of one sum, for what does not come as a number of a lane.
  /// @param index among all numbers, in the order in which they were given
  [[nodiscard]] View<std::int64_t> sum(std::int64_t index) const;
  /// The numbers := the sums over all lanes of all ranks, the same on every rank; a sum that missed
  /// a term is NaN. @param scratch released before return
  void sum_over_ranks(Communicator& communicator, Arena& scratch, Stream& stream);

 private:
  std::vector<View<double>> numbers_;
  DeviceBuffer integers_;  ///< [N, 5]
};

}  // namespace softmoe::parallel
