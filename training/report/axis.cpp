#include "training/report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace softmoe::training {

namespace {

constexpr int kWantedTicks = 5;

/// 1, 2, 5 or 10 times a power of ten, not below `rough`.
double nice_step(double rough) {
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  // A hair of room, since the quotient of two decimals is none.
  const double ratio = rough / power * (1 - 1e-9);
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (ratio <= factor) return factor * power;
  }
  return 10 * power;
}

/// Whether two ends are too near each other to be told apart in a double's digits.
bool are_one(double low, double high) {
  return !(high - low > 1e-9 * std::max(std::abs(low), std::abs(high)));
}

/// Within the two ends.
std::vector<double> multiples(double step, double low, double high) {
  std::vector<double> ticks;
  // Counted, not added up, so that no rounding piles up and zero is zero.
  for (double count = std::ceil(low / step - 1e-9); count * step <= high + 1e-9 * step; ++count) {
    ticks.push_back(count == 0 ? 0.0 : count * step);
  }
  return ticks;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int wanted) {
  if (are_one(low, high)) return {low};
  return multiples(nice_step((high - low) / wanted), low, high);
}

std::vector<double> decade_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const int every = std::max(1, (last - first) / kWantedTicks);
  const bool is_short = last - first <= 2;
  std::vector<double> ticks;
  for (int exponent = first; exponent <= last; exponent += every) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10.0, exponent);
      const bool is_wanted = factor == 1.0 || is_short;
      if (is_wanted && tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size < 1e-3 || size >= 1e15) return fmt::format("{:.3g}", value);
  constexpr std::array<std::pair<double, const char*>, 4> kUnits = {
      {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  for (const auto& [unit, name] : kUnits) {
    // Steps and counts below ten thousand are read as they are.
    if (size >= unit && size >= 9999.5) return fmt::format("{:.4g}{}", value / unit, name);
  }
  return fmt::format("{:.4g}", value);
}

Axis Axis::rounded(double low, double high, AxisKind kind) {
  Axis axis;
  axis.kind_ = kind;
  if (kind == AxisKind::logarithmic) {
    axis.low_ = low * 0.9;
    axis.high_ = high * 1.1;
    axis.ticks_ = decade_ticks(axis.low_, axis.high_);
    return axis;
  }
  if (are_one(low, high)) {
    const double room = low == 0 ? 0.5 : 0.1 * std::abs(low);
    low -= room;
    high += room;
  }
  const double step = nice_step((high - low) / kWantedTicks);
  axis.low_ = std::floor(low / step + 1e-9) * step;
  axis.high_ = std::ceil(high / step - 1e-9) * step;
  axis.ticks_ = multiples(step, axis.low_, axis.high_);
  return axis;
}

Axis Axis::exact(double low, double high) {
  Axis axis;
  const bool is_point = are_one(low, high);
  axis.low_ = is_point ? low - 0.5 : low;
  axis.high_ = is_point ? high + 0.5 : high;
  axis.ticks_ = is_point ? std::vector{low} : nice_ticks(low, high, kWantedTicks + 1);
  return axis;
}

double Axis::place(double value) const {
  if (kind_ == AxisKind::logarithmic) {
    return std::log(value / low_) / std::log(high_ / low_);
  }
  return (value - low_) / (high_ - low_);
}

}  // namespace softmoe::training
