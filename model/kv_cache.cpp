#include "model/kv_cache.h"

namespace softmoe::model {

KvCache::KvCache(const ModelConfig& config, std::int64_t sequences, std::int64_t capacity,
                 DType dtype, Device& device)
    : sequences_(sequences),
      capacity_(capacity),
      columns_(2 * config.kv_heads * config.head_size()),
      dtype_(dtype) {
  for (int layer = 0; layer < config.layers; ++layer) {
    layers_.emplace_back(device, Bytes(sequences * capacity * columns_ * size_of(dtype)));
  }
}

TensorView KvCache::layer(int layer) const {
  return layers_[static_cast<std::size_t>(layer)].tensor(dtype_,
                                                         {sequences_ * capacity_, columns_});
}

}  // namespace softmoe::model
