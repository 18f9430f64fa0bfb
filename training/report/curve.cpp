#include "training/report/curve.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"

namespace softmoe::training {

namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

CurvePoint point_of(const CurveBin& bin, double middle) {
  if (bin.count == 0) return {.step = middle, .mean = kGap, .min = kGap, .max = kGap};
  const auto count = static_cast<double>(bin.count);
  return {.step = bin.step_sum / count, .mean = bin.sum / count, .min = bin.min, .max = bin.max};
}

/// Joins each `group` neighbours.
std::vector<CurveBin> joined(const std::vector<CurveBin>& bins, std::size_t group) {
  std::vector<CurveBin> result((bins.size() + group - 1) / group);
  for (std::size_t bin = 0; bin < bins.size(); ++bin) result[bin / group].add(bins[bin]);
  return result;
}

}  // namespace

void CurveBin::add(const CurveBin& other) {
  sum += other.sum;
  step_sum += other.step_sum;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  count += other.count;
  missing += other.missing;
}

void Curve::add(std::int64_t step, double value) {
  if (bins_.empty()) first_step_ = step;
  require(step >= first_step_, "a curve begins with its lowest step");
  make_room(step - first_step_);
  CurveBin one{.missing = 1};
  if (std::isfinite(value)) {
    one = {.sum = value,
           .step_sum = static_cast<double>(step),
           .min = value,
           .max = value,
           .count = 1,
           .missing = 0};
    last_ = value;
    last_step_ = step;
  }
  bins_[static_cast<std::size_t>((step - first_step_) / width_)].add(one);
  total_.add(one);
}

void Curve::make_room(std::int64_t offset) {
  while (offset / width_ >= static_cast<std::int64_t>(max_bins_)) {
    bins_ = joined(bins_, 2);
    width_ *= 2;
  }
  const auto needed = static_cast<std::size_t>(offset / width_) + 1;
  if (bins_.size() < needed) bins_.resize(needed);
}

std::vector<CurvePoint> Curve::points(std::size_t max_points) const {
  if (bins_.empty()) return {};
  const std::size_t group = (bins_.size() + max_points - 1) / max_points;
  const std::vector<CurveBin> bins = joined(bins_, group);
  const double width = static_cast<double>(width_) * static_cast<double>(group);
  std::vector<CurvePoint> points;
  for (std::size_t bin = 0; bin < bins.size(); ++bin) {
    if (bins[bin].count + bins[bin].missing == 0) continue;
    const double middle =
        static_cast<double>(first_step_) + width * static_cast<double>(bin) + (width - 1) / 2;
    points.push_back(point_of(bins[bin], middle));
  }
  return points;
}

std::vector<CurvePoint> smoothed(const std::vector<CurvePoint>& points, std::size_t window) {
  std::vector<CurvePoint> result = points;
  for (std::size_t at = 0; at < points.size(); ++at) {
    if (std::isnan(points[at].mean)) continue;
    // As many to the left as to the right, so that a slope is not bent; at the very ends, where
    // that would leave single points, a third of the window.
    const std::size_t last = points.size() - 1;
    const std::size_t reach = std::max(std::min({window, at, last - at}), window / 3);
    const std::size_t begin = at - std::min(at, reach);
    const std::size_t end = std::min(at + reach, last);
    double sum = 0;
    int count = 0;
    for (std::size_t near = begin; near <= end; ++near) {
      if (std::isnan(points[near].mean)) continue;
      sum += points[near].mean;
      ++count;
    }
    result[at].mean = sum / count;
  }
  return result;
}

}  // namespace softmoe::training
