#pragma once

// One MoE layer of one rank over made-up tokens. Letters: T tokens, H hidden, E experts, e experts
// here.

#include <cstdint>
#include <vector>

#include "experts/moe_layer.h"
#include "launcher/run/run_config.h"
#include "runtime/device/buffer.h"

namespace softmoe::bench {

/// Numbers are functions of (expert, element) and (token, element), so ranks of any world, and
/// kernels of any backend, see the same layer.
class LayerRank {
 public:
  /// Which tokens of the world are here.
  struct Tokens {
    std::int64_t first = 0;
    std::int64_t count = 0;  ///< T
  };

  /// @param config, ep, work  outlive this object
  LayerRank(const launcher::RunConfig& config, const Tokens& tokens, parallel::Communicator& ep,
            Workspace& work);

  /// y of the tokens under the given choices. Collective over ep; backward() must follow.
  void forward(const router::RoutePlan& given);
  /// d_x of the tokens, and gradients of the weights.
  void backward();

  [[nodiscard]] const experts::MoeLayer& layer() const { return layer_; }
  [[nodiscard]] ConstTensorView y_TH() const { return y_TH_; }
  [[nodiscard]] ConstTensorView d_x_TH() const { return d_x_TH_; }

 private:
  [[nodiscard]] TensorView numbers(Shape shape, std::uint64_t first, double scale,
                                   std::uint32_t what);
  [[nodiscard]] Parameter parameter(Shape shape, std::uint64_t first, double scale,
                                    std::uint32_t what);
  [[nodiscard]] experts::MoeWeights make_weights(int experts_here, int first_expert);

  const launcher::RunConfig& config_;
  Workspace& work_;
  std::vector<DeviceBuffer> buffers_;
  experts::ExpertPlacement placement_;
  experts::MoeLayer layer_;
  experts::MoeWeights weights_;
  Tokens tokens_;
  TensorView x_TH_;
  TensorView d_y_TH_;
  TensorView y_TH_;
  TensorView d_x_TH_;
  TensorView d_k_;
  DeviceBuffer counts_;
  DeviceBuffer sums_;
  Arena::Mark saved_mark_ = 0;
};

}  // namespace softmoe::bench
