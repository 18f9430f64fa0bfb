#include "training/report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/report/palette.h"

namespace softmoe::training {

namespace {

constexpr std::size_t kMaxRows = 12;
constexpr std::size_t kMaxColumns = 16;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] bool is_empty() const { return !(high >= low); }
};

struct Ranges {
  Range x;
  Range y;
};

Ranges ranges_of(const LineChart& chart) {
  Ranges ranges;
  for (const ChartLine& line : chart.lines) {
    for (const CurvePoint& point : line.points) {
      ranges.x.take(point.step);
      if (std::isnan(point.mean)) continue;
      ranges.y.take(line.has_band ? point.min : point.mean);
      ranges.y.take(line.has_band ? point.max : point.mean);
    }
  }
  if (ranges.y.is_empty()) return ranges;
  if (chart.steps) {
    ranges.x.take(chart.steps->first);
    ranges.x.take(chart.steps->last);
  }
  if (chart.y_low) ranges.y.low = std::min(ranges.y.low, *chart.y_low);
  if (chart.y_high) ranges.y.high = std::max(ranges.y.high, *chart.y_high);
  return ranges;
}

/// Runs of points without a gap.
std::vector<std::vector<CurvePoint>> stretches(const std::vector<CurvePoint>& points) {
  std::vector<std::vector<CurvePoint>> result(1);
  for (const CurvePoint& point : points) {
    if (!std::isnan(point.mean)) {
      result.back().push_back(point);
    } else if (!result.back().empty()) {
      result.emplace_back();
    }
  }
  if (result.back().empty()) result.pop_back();
  return result;
}

std::string place(double step, double value, const Axis& x_axis, const Axis& y_axis) {
  return coordinate(kPlotSide * x_axis.place(step)) + " " +
         coordinate(kPlotSide * (1 - y_axis.place(value)));
}

std::string band_path(const std::vector<CurvePoint>& points, const Axis& x_axis,
                      const Axis& y_axis) {
  std::string path;
  for (const std::vector<CurvePoint>& stretch : stretches(points)) {
    char command = 'M';
    for (const CurvePoint& point : stretch) {
      path += command + place(point.step, point.max, x_axis, y_axis);
      command = 'L';
    }
    for (auto point = stretch.rbegin(); point != stretch.rend(); ++point) {
      path += command + place(point->step, point->min, x_axis, y_axis);
    }
    path += "Z";
  }
  return path;
}

const char* name_of(LineShape shape) {
  switch (shape) {
    case LineShape::line:
      return "line";
    case LineShape::thin:
      return "line thin";
    case LineShape::dashed:
      return "line dashed";
    case LineShape::dots:
      return "line dots";
  }
  return "line";
}

void draw_line(Markup& page, const ChartLine& line, const Axis& x_axis, const Axis& y_axis) {
  if (line.has_band) {
    page.empty("path",
               {{"class", "band " + line.colour}, {"d", band_path(line.points, x_axis, y_axis)}});
  }
  std::vector<CurvePoint> points = line.points;
  // Dots are single points: with a gap behind each.
  if (line.shape == LineShape::dots) {
    std::vector<CurvePoint> single;
    for (const CurvePoint& point : points) {
      single.push_back(point);
      single.push_back({point.step, std::nan(""), 0, 0});
    }
    points = std::move(single);
  }
  const char* shape = line.points.size() == 1 ? "line dots" : name_of(line.shape);
  page.empty("path", {{"class", std::string(shape) + " " + line.colour},
                      {"data-name", line.name},
                      {"data-layer", line.layer ? std::to_string(*line.layer) : ""},
                      {"d", path_through(points, x_axis, y_axis)}});
}

void write_legend(Markup& page, const LineChart& chart) {
  const auto list = page.element("ul", {{"class", "legend"}});
  if (chart.legend == LegendKind::depth && chart.lines.size() > 8) {
    const auto item = page.element("li", {{"class", "scale"}});
    page.leaf("span", chart.lines.front().name);
    for (int level = 0; level < kLayerColours; ++level) {
      page.leaf("i", {{"class", fmt::format("swatch l{}", level)}}, "");
    }
    page.leaf("span", chart.lines.back().name);
    return;
  }
  for (const ChartLine& line : chart.lines) {
    const auto item = page.element("li");
    page.leaf("i", {{"class", fmt::format("key {} {}", name_of(line.shape), line.colour)}}, "");
    page.text(line.name);
  }
}

/// Of so many things at most so many, evenly, with the first and the last.
std::vector<std::size_t> some_of(std::size_t count, std::size_t most) {
  std::vector<std::size_t> some;
  for (std::size_t at = 0; at < std::min(count, most); ++at) {
    some.push_back(count <= most ? at : at * (count - 1) / (most - 1));
  }
  return some;
}

std::string value_near(const ChartLine& line, double step) {
  const CurvePoint* best = nullptr;
  for (const CurvePoint& point : line.points) {
    if (best == nullptr || std::abs(point.step - step) < std::abs(best->step - step)) best = &point;
  }
  return best == nullptr ? "" : short_number(best->mean);
}

NumberTable numbers_of(const LineChart& chart) {
  NumberTable table{.columns = {"step"}, .rows = {}};
  const std::vector<std::size_t> columns = some_of(chart.lines.size(), kMaxColumns);
  for (const std::size_t line : columns) table.columns.push_back(chart.lines[line].name);
  const std::vector<CurvePoint>& guide = chart.lines.front().points;
  for (const std::size_t row : some_of(guide.size(), kMaxRows)) {
    std::vector<std::string> cells = {short_number(std::round(guide[row].step))};
    for (const std::size_t line : columns) {
      cells.push_back(value_near(chart.lines[line], guide[row].step));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

void draw_lines(Markup& page, const LineChart& chart, const Ranges& ranges) {
  const bool is_logarithmic = chart.y_kind == AxisKind::logarithmic && ranges.y.low > 0;
  const Axis x_axis = Axis::exact(ranges.x.low, ranges.x.high);
  const Axis y_axis = Axis::rounded(ranges.y.low, ranges.y.high,
                                    is_logarithmic ? AxisKind::logarithmic : AxisKind::linear);
  if (chart.lines.size() > 1) write_legend(page, chart);
  draw_frame(page,
             {.text = chart.text,
              .x_ticks = frame_ticks(x_axis),
              .y_ticks = frame_ticks(y_axis),
              .x_name = "step",
              .height = chart.height,
              .marks = frame_marks(chart.marks, x_axis),
              .x_low = x_axis.low(),
              .x_high = x_axis.high(),
              .y_low = y_axis.low(),
              .y_high = y_axis.high(),
              .y_kind = y_axis.kind()},
             [&] {
               for (const ChartLine& line : chart.lines) draw_line(page, line, x_axis, y_axis);
             });
}

}  // namespace

std::size_t points_of_each(std::size_t lines) {
  constexpr std::size_t kOfChart = 6000;
  return std::clamp<std::size_t>(kOfChart / std::max<std::size_t>(lines, 1), 100, 1500);
}

std::string path_through(const std::vector<CurvePoint>& points, const Axis& x_axis,
                         const Axis& y_axis) {
  std::string path;
  for (const std::vector<CurvePoint>& stretch : stretches(points)) {
    char command = 'M';
    for (const CurvePoint& point : stretch) {
      path += command + place(point.step, point.mean, x_axis, y_axis);
      command = 'L';
    }
    // A line of no length with round ends is a dot.
    if (stretch.size() == 1) path += "h0";
  }
  return path;
}

void draw(Markup& page, const LineChart& chart) {
  const Ranges ranges = ranges_of(chart);
  draw_figure(page, chart.text, [&] {
    if (ranges.y.is_empty()) {
      write_no_data(page, chart.text);
      return;
    }
    draw_lines(page, chart, ranges);
    write_numbers(page, numbers_of(chart));
  });
}

}  // namespace softmoe::training
