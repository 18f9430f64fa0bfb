#pragma once

// A quantity over the steps of a run, in bounded memory however long the run is.

#include <cstdint>
#include <limits>
#include <vector>

namespace softmoe::training {

/// The values of neighbouring steps.
struct CurveBin {
  double sum = 0;
  double step_sum = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  std::int64_t count = 0;    ///< finite values
  std::int64_t missing = 0;  ///< values that were not finite

  void add(const CurveBin& other);
};

/// A place to draw. A gap, where no value was finite, has NaN for all but the step.
struct CurvePoint {
  double step;  ///< mean of the steps behind it
  double mean;
  double min;
  double max;
};

/// Bins of equal width in steps. When they do not fit any more neighbours are joined and the width
/// doubles, so means, minima and maxima stay exact and only the place of a value gets coarser.
class Curve {
 public:
  static constexpr std::size_t kMaxBins = 2048;

  explicit Curve(std::size_t max_bins = kMaxBins) : max_bins_(max_bins) {}

  /// @param step  not below that of the first call; a later call may go back
  /// @param value NaN and infinities leave a gap
  void add(std::int64_t step, double value);

  [[nodiscard]] bool is_empty() const { return total_.count == 0; }
  /// Of all finite values.
  [[nodiscard]] const CurveBin& total() const { return total_; }
  [[nodiscard]] double mean() const { return total_.sum / static_cast<double>(total_.count); }
  /// The newest finite value, and its step.
  [[nodiscard]] double last() const { return last_; }
  [[nodiscard]] std::int64_t last_step() const { return last_step_; }
  /// Steps of a bin: 1 until the curve was first joined.
  [[nodiscard]] std::int64_t bin_width() const { return width_; }

  /// The bins that hold something, joined to at most `max_points`.
  [[nodiscard]] std::vector<CurvePoint> points(std::size_t max_points) const;

 private:
  void make_room(std::int64_t offset);

  std::size_t max_bins_;
  std::vector<CurveBin> bins_;
  std::int64_t first_step_ = 0;
  std::int64_t width_ = 1;
  CurveBin total_;
  double last_ = std::numeric_limits<double>::quiet_NaN();
  std::int64_t last_step_ = 0;
};

/// The running mean over about `window` points to either side: it follows without delay. Gaps stay.
[[nodiscard]] std::vector<CurvePoint> smoothed(const std::vector<CurvePoint>& points,
                                               std::size_t window);

}  // namespace softmoe::training
