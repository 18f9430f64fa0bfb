#include "experts/experts_config.h"

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::experts {

void ExpertsConfig::bind(config::Reader& reader) {
  reader.value("num_experts", num_experts, config::Range{.min = 1, .max = 4096},
               "experts in every MoE layer");
  reader.value("inner", inner, config::Range{.min = 1, .max = 1 << 20},
               "inner width of one expert");
}

void ExpertsConfig::validate(config::Check&) const {}

}  // namespace softmoe::experts
