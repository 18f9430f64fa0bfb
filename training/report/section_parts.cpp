// What several sections use.

#include <algorithm>
#include <cmath>

#include "training/report/line_chart.h"
#include "training/report/palette.h"
#include "training/report/sections.h"

namespace softmoe::training {

namespace {

constexpr std::size_t kMaxMarks = 30;
constexpr std::ptrdiff_t kFewSaves = 8;
constexpr std::size_t kThickLayers = 16;  // more lines than these are drawn thin
// Of the points of a curve, to either side of each.
constexpr std::size_t kSmoothing = 50;

/// What an event weighs: changes of set-points are marked first.
int rank_of(const RunEvent& event) {
  if (event.name == "set-points") return 0;
  if (event.name == "drained") return 1;
  return event.name == "saved" ? 2 : 3;
}

}  // namespace

std::vector<NumberedEvent> numbered_events(const RunHistory& history) {
  std::vector<NumberedEvent> all;
  for (RunEvent& event : history.events.items()) all.push_back({std::move(event), ""});
  for (RunEvent& event : history.set_points.items()) all.push_back({std::move(event), ""});
  std::stable_sort(all.begin(), all.end(), [](const NumberedEvent& a, const NumberedEvent& b) {
    return a.event.step < b.event.step;
  });
  const auto saves = std::count_if(
      all.begin(), all.end(), [](const NumberedEvent& each) { return each.event.name == "saved"; });
  std::size_t room = kMaxMarks;
  std::vector<bool> is_marked(all.size(), false);
  for (int rank = 0; rank <= (saves <= kFewSaves ? 2 : 1); ++rank) {
    for (std::size_t at = 0; at < all.size() && room > 0; ++at) {
      // What came behind the last step has no place on a chart.
      const bool is_on_chart = all[at].event.step <= history.last_step;
      if (rank_of(all[at].event) != rank || !is_on_chart) continue;
      is_marked[at] = true;
      --room;
    }
  }
  int number = 0;
  for (std::size_t at = 0; at < all.size(); ++at) {
    if (is_marked[at]) all[at].label = std::to_string(++number);
  }
  return all;
}

double mean_of_last(const Curve& curve, std::int64_t steps) {
  const std::vector<CurvePoint> points = curve.points(Curve::kMaxBins);
  double sum = 0;
  int count = 0;
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    const bool is_before = point->step <= static_cast<double>(curve.last_step() - steps);
    if (is_before && count > 0) break;
    if (std::isnan(point->mean)) continue;
    sum += point->mean;
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

StepRange steps_of(const RunHistory& history) {
  return {static_cast<double>(history.first_step), static_cast<double>(history.last_step)};
}

std::vector<CurvePoint> smooth_line(const Curve& curve) {
  const std::vector<CurvePoint> points = curve.points(points_of_each(4));
  return smoothed(points, std::max<std::size_t>(points.size() / kSmoothing, 1));
}

void draw_single(Markup& page, const PageParts& parts, const SingleCurve& single) {
  LineChart chart{.text = single.text,
                  .lines = {{.name = single.name,
                             .colour = single.colour,
                             .points = single.curve.points(points_of_each(4)),
                             .has_band = true}},
                  .marks = parts.marks,
                  .steps = steps_of(parts.history)};
  if (single.is_noisy) {
    chart.lines[0].name = "single steps";
    chart.lines[0].shape = LineShape::thin;
    chart.lines.push_back(
        {.name = "smoothed", .colour = single.colour, .points = smooth_line(single.curve)});
  }
  draw(page, chart);
}

void draw_layers(Markup& page, const PageParts& parts, ChartText text,
                 Curve LayerHistory::*quantity, std::optional<double> y_high) {
  const std::vector<LayerHistory>& layers = parts.history.layers;
  LineChart chart{.text = std::move(text),
                  .lines = {},
                  .marks = parts.marks,
                  .steps = steps_of(parts.history),
                  .legend = LegendKind::depth,
                  .y_low = 0,
                  .y_high = y_high};
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    chart.lines.push_back(
        {.name = "layer " + std::to_string(layer),
         .colour = layer_class(layer, layers.size()),
         .points = (layers[layer].*quantity).points(points_of_each(layers.size())),
         .shape = layers.size() > kThickLayers ? LineShape::thin : LineShape::line,
         .layer = static_cast<int>(layer)});
  }
  draw(page, chart);
}

}  // namespace softmoe::training
