#pragma once

// Letters: B sequences, C positions that fit.

#include <cstdint>
#include <vector>

#include "model/model_config.h"
#include "runtime/device/buffer.h"

namespace softmoe::model {

/// Keys and values of earlier positions, per layer; all sequences have the same length.
class KvCache {
 public:
  KvCache(const ModelConfig& config, std::int64_t sequences, std::int64_t capacity, DType dtype,
          Device& device);

  [[nodiscard]] std::int64_t sequences() const { return sequences_; }  ///< B
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }    ///< C
  [[nodiscard]] std::int64_t length() const { return length_; }        ///< positions filled
  /// [B * C, 2 * kv_heads * D]: keys, then values.
  [[nodiscard]] TensorView layer(int layer) const;
  /// Counts `positions` more as filled, once all layers hold them.
  void advance(std::int64_t positions) { length_ += positions; }

 private:
  std::int64_t sequences_;
  std::int64_t capacity_;
  std::int64_t columns_;
  DType dtype_;
  std::int64_t length_ = 0;
  std::vector<DeviceBuffer> layers_;
};

}  // namespace softmoe::model
