#pragma once

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::experts {

/// The experts of every MoE layer.
struct ExpertsConfig {
  int num_experts = 16;  ///< E
  int inner = 256;       ///< F, inner width of one expert

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::experts
