#include "budget/temperature_config.h"

#include <fmt/core.h>

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::budget {

void TemperatureConfig::bind(config::Reader& reader) {
  reader.choice(
      "kind", kind,
      {{"constant", TemperatureKind::constant},
       {"cosine", TemperatureKind::cosine},
       {"boundary_mass", TemperatureKind::boundary_mass}},
      "how alpha changes: not, by a cosine, or so that the softness W/k follows a target");
  reader.value("start", start, config::Range{.above = 0},
               "alpha of the first step; unset: the router's temperature");
  reader.value("end", end, config::Range{.above = 0},
               "alpha at the end of the cosine; unset: where it started");
  reader.value("num_steps", num_steps, config::Range{.min = 1},
               "steps that the cosine takes, also that of the target softness");
  reader.value("start_softness", start_softness, config::Range{.above = 0, .below = 1},
               "target of W/k, the share of the soft mass at the boundary, at the first step");
  reader.value("end_softness", end_softness, config::Range{.above = 0, .below = 1},
               "target of W/k in the end");
  reader.value("floor", floor, config::Range{.above = 0},
               "alpha goes no lower; keep 25 experts / (gap density x tokens per step) or more");
  reader.value("ceiling", ceiling, config::Range{.above = 0}, "alpha goes no higher");
}

void TemperatureConfig::validate(config::Check& check) const {
  if (floor > ceiling) {
    check.refuse("floor", fmt::format("must be at most ceiling = {}", ceiling));
  } else if (kind == TemperatureKind::boundary_mass && start &&
             (*start < floor || *start > ceiling)) {
    check.refuse("start", fmt::format("must be from floor = {} to ceiling = {}", floor, ceiling));
  }
}

Temperature schedule_of(const TemperatureConfig& config, double alpha) {
  const double start = config.start.value_or(alpha);
  return {
      .kind = config.kind,
      .start = start,
      .end = config.end.value_or(start),
      .num_steps = config.num_steps,
      .start_softness = config.start_softness,
      .end_softness = config.end_softness,
      .floor = config.floor,
      .ceiling = config.ceiling,
  };
}

}  // namespace softmoe::budget
