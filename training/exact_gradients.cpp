#include "training/exact_gradients.h"

#include "model/gradient_format.h"

namespace softmoe::training {

std::optional<FixedPoint> exact_gradients(const TrainingConfig& config, std::int64_t positions) {
  if (config.determinism == Determinism::repeatable) return std::nullopt;
  return model::gradient_format(config.lanes * config.lane_sequences * positions, config.lanes);
}

}  // namespace softmoe::training
