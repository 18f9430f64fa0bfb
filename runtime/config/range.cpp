#include "runtime/config/range.h"

#include <fmt/format.h>

#include <cmath>

namespace softmoe::config {
namespace {

// A lower bound at -inf, or an upper one at inf, bounds nothing: -inf > -inf is false, yet the
// default must accept every number.
bool is_above(double value, double bound) {
  return std::isinf(bound) || value > bound;
}
bool is_below(double value, double bound) {
  return std::isinf(bound) || value < bound;
}

}  // namespace

bool Range::holds(double value) const {
  return value >= min && value <= max && is_above(value, above) && is_below(value, below);
}

std::string Range::words() const {
  if (std::isfinite(min) && std::isfinite(max) && !std::isfinite(above) && !std::isfinite(below)) {
    return fmt::format("from {} to {}", min, max);
  }
  std::string text;
  const auto bound = [&text](std::string_view word, double value) {
    if (!std::isfinite(value)) return;
    if (!text.empty()) text += " and ";
    text += fmt::format("{} {}", word, value);
  };
  bound("at least", min);
  bound("above", above);
  bound("at most", max);
  bound("below", below);
  return text;
}

}  // namespace softmoe::config
