#include "model/flops.h"

namespace softmoe::model {

ParameterCounts count_parameters(const ModelConfig& c) {
  const std::int64_t hidden = c.hidden;
  const std::int64_t attention =
      hidden * c.qkv_columns() + hidden * c.heads * c.head_size() + 2 * hidden;
  ParameterCounts counts;
  counts.per_expert = 3 * hidden * c.experts.inner;
  counts.experts = counts.per_expert * c.experts.num_experts * c.moe_layers();
  counts.dense =
      (c.tied_embeddings ? 1 : 2) * hidden * c.vocabulary + hidden + c.layers * attention +
      c.dense_layers * 3 * hidden * c.dense_inner +
      c.moe_layers() * (3 * hidden * c.shared_inner + hidden * c.experts.num_experts + 1) +
      c.moe_layers();
  return counts;
}

double training_flops(const ModelConfig& c, std::int64_t tokens, std::int64_t positions,
                      std::int64_t rows) {
  const double hidden = c.hidden;
  const double heads = c.heads * c.head_size();
  // A query sees (positions + 1) / 2 keys on average, for scores and for values.
  const double attention = 2.0 * heads * static_cast<double>(positions + 1) / 2.0;
  const double per_token =
      c.layers * (hidden * c.qkv_columns() + hidden * heads + attention) +
      c.dense_layers * 3.0 * hidden * c.dense_inner +
      c.moe_layers() * (3.0 * hidden * c.shared_inner + hidden * c.experts.num_experts) +
      hidden * c.vocabulary;
  const double per_row = 3.0 * hidden * c.experts.inner;
  return 6.0 * (static_cast<double>(tokens) * per_token + static_cast<double>(rows) * per_row);
}

}  // namespace softmoe::model
