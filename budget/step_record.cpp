#include "budget/step_record.h"

#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

double cost_of(std::span<const double> layer_cost_L, std::size_t layer) {
  return layer_cost_L.empty() ? 1.0 : layer_cost_L[layer];
}

std::string in_step(const StepRecord& record) {
  return fmt::format("record of step {}: ", record.step().value);
}

std::optional<std::string> find_fault_in_layer(const StepRecord& record, std::size_t layer) {
  const auto not_a_quantity = [&](const char* what, double value) {
    return fmt::format("{}{} of layer {} is {}; it must be finite and not negative",
                       in_step(record), what, layer, value);
  };
  const auto is_quantity = [](double value) { return std::isfinite(value) && value >= 0.0; };
  if (record.executed_L[layer] < 0) {
    return fmt::format("{}layer {} executed {} rows", in_step(record), layer,
                       record.executed_L[layer]);
  }
  if (!is_quantity(record.gain_L[layer])) return not_a_quantity("the gain", record.gain_L[layer]);
  if (!is_quantity(record.boundary_mass_L[layer])) {
    return not_a_quantity("the boundary mass", record.boundary_mass_L[layer]);
  }
  if (!is_quantity(record.soft_mass_L[layer]) || record.soft_mass_L[layer] == 0.0) {
    return fmt::format("{}the soft mass of layer {} is {}; it must be finite and above 0",
                       in_step(record), layer, record.soft_mass_L[layer]);
  }
  return std::nullopt;
}

}  // namespace

double used_per_token(const StepRecord& record, std::span<const double> layer_cost_L) {
  double cost = 0.0;
  for (std::size_t layer = 0; layer < record.executed_L.size(); ++layer) {
    cost += cost_of(layer_cost_L, layer) * static_cast<double>(record.executed_L[layer]);
  }
  return cost / static_cast<double>(record.tokens);
}

double gain_per_token(const StepRecord& record, std::span<const double> layer_cost_L) {
  double gain = 0.0;
  for (std::size_t layer = 0; layer < record.gain_L.size(); ++layer) {
    gain += cost_of(layer_cost_L, layer) * record.gain_L[layer];
  }
  return gain;
}

std::optional<std::string> find_fault(const StepRecord& record) {
  const std::size_t num_layers = record.executed_L.size();
  if (record.step().value < 0) return in_step(record) + "steps count from 0";
  if (record.tokens <= 0) return fmt::format("{}{} tokens", in_step(record), record.tokens);
  if (num_layers == 0) return in_step(record) + "no layers";
  if (record.gain_L.size() != num_layers || record.boundary_mass_L.size() != num_layers ||
      record.soft_mass_L.size() != num_layers) {
    return fmt::format("{}{} layers of counts, but {} gains, {} boundary masses, {} soft masses",
                       in_step(record), num_layers, record.gain_L.size(),
                       record.boundary_mass_L.size(), record.soft_mass_L.size());
  }
  const ControlWord& word = record.in_force;
  if (!std::isfinite(word.lambda) || !std::isfinite(word.alpha) || word.alpha <= 0.0 ||
      !std::isfinite(word.budget)) {
    return fmt::format("{}it ran under lambda {}, alpha {}, budget {}", in_step(record),
                       word.lambda, word.alpha, word.budget);
  }
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    if (auto fault = find_fault_in_layer(record, layer)) return fault;
  }
  return std::nullopt;
}

std::optional<std::string> find_fault(const StepRecord& record, const RecordShape& shape) {
  if (std::cmp_not_equal(record.executed_L.size(), shape.num_layers)) {
    return fmt::format("{}{} layers, but the model has {}", in_step(record),
                       record.executed_L.size(), shape.num_layers);
  }
  if (auto fault = find_fault(record)) return fault;
  for (std::size_t layer = 0; layer < record.executed_L.size(); ++layer) {
    // Divided, not multiplied: a count from outside must not overflow the check.
    const std::int64_t rows = record.executed_L[layer];
    if (rows / shape.num_experts > record.tokens ||
        (rows / shape.num_experts == record.tokens && rows % shape.num_experts > 0)) {
      return fmt::format("{}layer {} executed {} rows, more than {} tokens times {} experts",
                         in_step(record), layer, rows, record.tokens, shape.num_experts);
    }
  }
  return std::nullopt;
}

}  // namespace softmoe::budget
