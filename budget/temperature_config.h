#pragma once

#include <cstdint>
#include <optional>

#include "budget/temperature.h"

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::budget {

/// The section `budget.temperature`: how alpha changes over a run. It is configured here and not
/// with the router because it is a set-point: its owner may change it while the run goes on.
struct TemperatureConfig {
  TemperatureKind kind = TemperatureKind::constant;
  std::optional<double> start;    ///< unset: the router's temperature
  std::optional<double> end;      ///< unset: `start`
  std::int64_t num_steps = 1000;  ///< of the cosine, and of the target's
  double start_softness = 0.9;
  double end_softness = 0.25;
  double floor = 0.05;
  double ceiling = 16.0;

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

/// The schedule as a set-point.
/// @param alpha the router's temperature.
[[nodiscard]] Temperature schedule_of(const TemperatureConfig& config, double alpha);

}  // namespace softmoe::budget
