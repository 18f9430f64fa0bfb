#include "runtime/metrics/targets.h"

#include <nlohmann/json.hpp>

namespace softmoe::metrics {

std::string targets_json(std::span<const Target> targets) {
  auto list = nlohmann::json::array();
  for (const Target& target : targets) {
    nlohmann::json labels = {{"__meta_softmoe_run", target.run},
                             {"__meta_softmoe_role", target.role},
                             {"__meta_softmoe_host", target.host}};
    if (target.rank >= 0) labels["__meta_softmoe_rank"] = std::to_string(target.rank);
    list.push_back({{"targets", {target.address}}, {"labels", std::move(labels)}});
  }
  // Names of hosts and runs come from outside; a byte that is no UTF-8 must not cost the list.
  return list.dump(/*indent=*/2, ' ', /*ensure_ascii=*/false,
                   nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace softmoe::metrics
