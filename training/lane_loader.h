#pragma once

// Letters: S positions, T tokens of a lane.

#include <cstdint>
#include <optional>
#include <vector>

#include "model/batch.h"
#include "runtime/device/buffer.h"
#include "runtime/device/host_copy.h"
#include "training/data/token_source.h"

namespace softmoe::training {

/// Brings sequences to the device, a lane at a time, in buffers that it reuses.
class LaneLoader {
 public:
  /// @param source         outlives this object
  /// @param max_sequences  the most of one lane
  LaneLoader(const TokenSource& source, std::int64_t max_sequences, Device& device);

  /// Memory of such a loader: its buffers on the host and on the device.
  [[nodiscard]] static Bytes bytes(std::int64_t max_sequences, std::int64_t positions);

  /// The given sequences of the source as a batch, valid until the next call; none give T = 0.
  /// @param first_token global id of the first token
  [[nodiscard]] model::Batch load(std::span<const std::int64_t> sequences, std::int64_t first_token,
                                  Stream& stream);

 private:
  const TokenSource* source_;
  std::vector<std::int32_t> sequence_S1_;
  std::vector<std::int32_t> host_token_T_;
  std::vector<std::int32_t> host_target_T_;
  std::vector<std::int32_t> host_position_T_;
  DeviceBuffer token_T_;
  DeviceBuffer target_T_;
  DeviceBuffer position_T_;
};

/// Which sequences a lane of a step reads, by a rule that does not know of ranks.
/// @return places in the run's order: [first, first + lane_sequences)
[[nodiscard]] inline std::int64_t first_place_of_lane(std::int64_t step, int lane, int lanes,
                                                      int lane_sequences) {
  return (step * lanes + lane) * lane_sequences;
}

}  // namespace softmoe::training
