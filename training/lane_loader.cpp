#include "training/lane_loader.h"

#include <algorithm>

namespace softmoe::training {

LaneLoader::LaneLoader(const TokenSource& source, std::int64_t max_sequences, Device& device)
    : source_(&source), sequence_S1_(static_cast<std::size_t>(source.sequence_length() + 1)) {
  const std::int64_t max_tokens = max_sequences * source.sequence_length();
  for (auto* host : {&host_token_T_, &host_target_T_, &host_position_T_}) {
    host->reserve(static_cast<std::size_t>(max_tokens));
  }
  for (auto* buffer : {&token_T_, &target_T_, &position_T_}) {
    *buffer = DeviceBuffer(device, Bytes(max_tokens * size_of(DType::i32)));
  }
}

Bytes LaneLoader::bytes(std::int64_t max_sequences, std::int64_t positions) {
  constexpr int kLists = 6;  // tokens, targets and positions, on the host and on the device
  return Bytes(kLists * max_sequences * positions * size_of(DType::i32));
}

model::Batch LaneLoader::load(std::span<const std::int64_t> sequences, std::int64_t first_token,
                              Stream& stream) {
  // The copies of the lane before may still be under way.
  stream.synchronize();
  const std::int64_t positions = source_->sequence_length();
  const std::int64_t num_tokens = static_cast<std::int64_t>(sequences.size()) * positions;
  require(num_tokens <= token_T_.as<std::int32_t>().size(),
          "a lane has more sequences than its loader");
  host_token_T_.clear();
  host_target_T_.clear();
  host_position_T_.clear();
  for (const std::int64_t sequence : sequences) {
    source_->read(sequence, sequence_S1_);
    host_token_T_.insert(host_token_T_.end(), sequence_S1_.begin(), sequence_S1_.end() - 1);
    host_target_T_.insert(host_target_T_.end(), sequence_S1_.begin() + 1, sequence_S1_.end());
    for (std::int32_t position = 0; position < positions; ++position)
      host_position_T_.push_back(position);
  }
  const auto to_device = [&](const std::vector<std::int32_t>& host, const DeviceBuffer& buffer) {
    const View<std::int32_t> target = buffer.as<std::int32_t>().part(0, num_tokens);
    upload(std::span<const std::int32_t>(host), target, stream);
    return target;
  };
  return {.sequences = static_cast<std::int64_t>(sequences.size()),
          .positions = positions,
          .token_T = to_device(host_token_T_, token_T_),
          .position_T = to_device(host_position_T_, position_T_),
          .target_T = to_device(host_target_T_, target_T_),
          .first_token = first_token};
}

}  // namespace softmoe::training
