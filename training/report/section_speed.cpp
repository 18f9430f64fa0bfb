// Where the time of a step goes.

#include <fmt/format.h>

#include <algorithm>

#include "training/report/area_chart.h"
#include "training/report/palette.h"
#include "training/report/sections.h"

namespace softmoe::training {

namespace {

constexpr std::size_t kPoints = 300;
// As many as have a colour; the last one is all the others.
constexpr std::size_t kShown = kSeriesColours - 1;

using Phase = std::pair<std::string, const Curve*>;

/// The longest first.
std::vector<Phase> phases_by_seconds(const RunHistory& history) {
  std::vector<Phase> phases;
  for (const auto& [name, curve] : history.phases) {
    if (curve.total().sum > 0) phases.emplace_back(name, &curve);
  }
  std::stable_sort(phases.begin(), phases.end(), [](const Phase& a, const Phase& b) {
    return a.second->total().sum > b.second->total().sum;
  });
  return phases;
}

NumberTable seconds_of(const std::vector<Phase>& phases) {
  double whole = 0;
  for (const auto& [name, curve] : phases) whole += curve->total().sum;
  NumberTable table{.columns = {"phase", "seconds in all", "seconds per step", "share"},
                    .rows = {}};
  for (const auto& [name, curve] : phases) {
    const double seconds = curve->total().sum;
    table.rows.push_back({name, short_number(seconds), short_number(curve->mean()),
                          fmt::format("{:.1f} %", 100 * seconds / whole)});
  }
  return table;
}

void add_to(std::vector<CurvePoint>& sum, const std::vector<CurvePoint>& points) {
  if (sum.empty()) {
    sum = points;
    return;
  }
  for (std::size_t at = 0; at < std::min(sum.size(), points.size()); ++at) {
    sum[at].mean += points[at].mean;
  }
}

void draw_phases(Markup& page, const PageParts& parts) {
  const std::vector<Phase> phases = phases_by_seconds(parts.history);
  AreaChart chart{
      .text = {.id = "phases",
               .title = "Where a step's time goes",
               .unit = "share of the step",
               .reading = "Exclusive time of each phase on rank 0, stacked: counts, dispatch, "
                          "combine, reduce and gather talk to other ranks, and wait for them."},
      .parts = {},
      .marks = parts.marks,
      .steps = steps_of(parts.history),
      .numbers = seconds_of(phases)};
  std::vector<CurvePoint> others;
  for (std::size_t phase = 0; phase < phases.size(); ++phase) {
    std::vector<CurvePoint> points = phases[phase].second->points(kPoints);
    if (phase < kShown) {
      chart.parts.push_back({.name = phases[phase].first,
                             .colour = series_class(static_cast<int>(phase)),
                             .points = std::move(points)});
    } else {
      add_to(others, points);
    }
  }
  if (!others.empty()) {
    chart.parts.push_back(
        {.name = "all others", .colour = series_class(kShown), .points = std::move(others)});
  }
  draw(page, chart);
}

}  // namespace

void write_speed(Markup& page, const PageParts& parts) {
  const auto section = page.element("section");
  page.leaf("h2", "Speed");
  const auto charts = page.element("div", {{"class", "charts"}});
  {
    const auto wide = page.element("div", {{"class", "wide"}});
    draw_phases(page, parts);
  }
  draw_single(page, parts,
              {.text = {.id = "tokens-per-second",
                        .title = "Tokens per second",
                        .unit = "tokens per second",
                        .reading = "Tokens of all ranks over the step's time on rank 0; dips are "
                                   "steps that something held up."},
               .curve = parts.history.tokens_per_second,
               .name = "tokens per second",
               .colour = "c2",
               .is_noisy = true});
  draw_single(page, parts,
              {.text = {.id = "mfu",
                        .title = "MFU",
                        .unit = "ratio",
                        .reading = "Matrix-product work over the peak that was measured at the "
                                   "start; above 1 the machine was busier then than later."},
               .curve = parts.history.mfu_ratio,
               .name = "MFU",
               .colour = "c2",
               .is_noisy = true});
}

}  // namespace softmoe::training
