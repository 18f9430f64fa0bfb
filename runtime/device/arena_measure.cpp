#include "runtime/device/arena_measure.h"

#include <algorithm>
#include <cmath>

namespace softmoe {

void ArenaMeasure::release(Mark mark) {
  while (!pushes_.empty() && pushes_.back().begin >= mark) {
    exchanged_ -= pushes_.back().exchanged;
    pushes_.pop_back();
  }
  used_ = std::min(used_, mark);
}

Bytes ArenaMeasure::touched() const {
  constexpr std::int64_t kPage = std::int64_t{2} << 20;
  std::vector<Range> pages;
  for (const Range& range : written_) {
    if (range.begin == range.end) continue;
    pages.push_back({range.begin / kPage, (range.end + kPage - 1) / kPage});
  }
  std::sort(pages.begin(), pages.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::int64_t count = 0;
  std::int64_t done = 0;
  for (const Range& range : pages) {
    count += std::max<std::int64_t>(0, range.end - std::max(done, range.begin));
    done = std::max(done, range.end);
  }
  return Bytes(count * kPage);
}

void ArenaMeasure::take(std::int64_t bytes, double filled, Purpose purpose) {
  require(bytes >= 0, "an arena cannot give a negative size");
  const auto written = static_cast<std::int64_t>(
      std::ceil(static_cast<double>(bytes) * std::clamp(filled, 0.0, 1.0)));
  pushes_.push_back({.begin = used_, .exchanged = purpose == Purpose::exchange ? written : 0});
  written_.push_back({used_, used_ + written});
  exchanged_ += pushes_.back().exchanged;
  most_exchanged_ = std::max(most_exchanged_, exchanged_);
  used_ += arena_room(bytes);
  peak_ = std::max(peak_, used_);
}

}  // namespace softmoe
