#include "launcher/run/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "router/router.h"

namespace softmoe::launcher {

namespace {

/// Sections that differ between places without making another training of it.
constexpr std::array<std::string_view, 5> kOfThePlace = {"run.", "data.", "runtime.",
                                                         "coordinator.", "metrics."};

/// FNV-1a, 64 bits: a mistake is to be found, not an enemy kept out.
class Fnv1a {
 public:
  void add(std::string_view text) {
    for (const char byte : text) add(static_cast<unsigned char>(byte));
    add(static_cast<unsigned char>(0));
  }
  [[nodiscard]] std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  void add(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3; }

  std::uint64_t hash_ = 0xcbf29ce484222325;
};

std::string hash_of(const config::Origins& origins) {
  Fnv1a hash;
  for (const config::Setting& setting : origins) {
    const bool is_of_the_place =
        std::any_of(kOfThePlace.begin(), kOfThePlace.end(),
                    [&](std::string_view section) { return setting.key.starts_with(section); });
    if (is_of_the_place) continue;
    hash.add(setting.key);
    hash.add(setting.value);
  }
  return hash.text();
}

}  // namespace

coordinator::RunIdentity identity_of(const config::Loaded<RunConfig>& loaded, int world) {
  const std::string hash = hash_of(loaded.origins);
  const std::string& id = loaded.value.run.id;
  return {.run_id = id.empty() ? hash : id,
          .version = SOFTMOE_VERSION,
          .config_hash = hash,
          .world = world};
}

coordinator::RunPlan plan_of(const config::Loaded<RunConfig>& loaded, int world) {
  const RunConfig& config = loaded.value;
  const int layers = config.model.moe_layers();
  return {.identity = identity_of(loaded, world),
          .shape = {.num_layers = layers, .num_experts = config.model.experts.num_experts},
          .range = execution_range(config),
          .quota_fault = router::quota_fault(config.model.router),
          .changes = budget::planned_changes(config.budget, router_defaults(config))};
}

}  // namespace softmoe::launcher
