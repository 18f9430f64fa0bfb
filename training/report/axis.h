#pragma once

#include <string>
#include <vector>

namespace softmoe::training {

enum class AxisKind { linear, logarithmic };

/// Round numbers in [low, high]: 1, 2 or 5 times a power of ten apart, about `wanted` of them.
[[nodiscard]] std::vector<double> nice_ticks(double low, double high, int wanted);

/// The powers of ten in [low, high], with 2 and 5 times them where there are few; low > 0.
[[nodiscard]] std::vector<double> decade_ticks(double low, double high);

/// A number to read: four digits at most, k, M, G and T for thousands and up.
[[nodiscard]] std::string short_number(double value);

/// Where numbers stand between the two ends of a chart, and the ticks with their labels.
class Axis {
 public:
  /// @param low, high of the data. Ends are widened to ticks; equal ends are drawn apart.
  [[nodiscard]] static Axis rounded(double low, double high, AxisKind kind);
  /// Ends where the data end.
  [[nodiscard]] static Axis exact(double low, double high);

  [[nodiscard]] double low() const { return low_; }
  [[nodiscard]] double high() const { return high_; }
  [[nodiscard]] AxisKind kind() const { return kind_; }
  [[nodiscard]] const std::vector<double>& ticks() const { return ticks_; }
  /// 0 at the low end, 1 at the high one.
  [[nodiscard]] double place(double value) const;

 private:
  double low_ = 0;
  double high_ = 1;
  AxisKind kind_ = AxisKind::linear;
  std::vector<double> ticks_;
};

}  // namespace softmoe::training
