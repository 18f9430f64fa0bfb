#include "training/report/area_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace softmoe::training {

namespace {

double or_zero(double value) {
  return std::isfinite(value) ? value : 0.0;
}

/// The area between two lines: along the upper one, and back along the lower one.
std::string area_path(const std::vector<CurvePoint>& points, const std::vector<double>& upper,
                      const std::vector<double>& lower, const Axis& x_axis) {
  std::string path;
  char command = 'M';
  const auto add = [&](std::size_t at, double share) {
    path += command + coordinate(kPlotSide * x_axis.place(points[at].step)) + " " +
            coordinate(kPlotSide * (1 - share));
    command = 'L';
  };
  for (std::size_t at = 0; at < points.size(); ++at) add(at, upper[at]);
  for (std::size_t at = points.size(); at > 0; --at) add(at - 1, lower[at - 1]);
  return path + "Z";
}

/// A single step is drawn as wide as the chart.
std::vector<AreaPart> widened(std::vector<AreaPart> parts) {
  for (AreaPart& part : parts) {
    if (part.points.size() != 1) continue;
    CurvePoint left = part.points[0];
    CurvePoint right = left;
    left.step -= 0.5;
    right.step += 0.5;
    part.points = {left, right};
  }
  return parts;
}

void write_legend(Markup& page, const AreaChart& chart) {
  const auto list = page.element("ul", {{"class", "legend"}});
  for (auto part = chart.parts.rbegin(); part != chart.parts.rend(); ++part) {
    const auto item = page.element("li");
    page.leaf("i", {{"class", "swatch " + part->colour}}, "");
    page.text(part->name);
  }
}

void draw_areas(Markup& page, const AreaChart& chart) {
  const std::vector<AreaPart> parts = widened(chart.parts);
  const std::vector<std::vector<double>> ends = stacked_shares(parts);
  const std::vector<CurvePoint>& points = parts.front().points;
  const Axis x_axis = Axis::exact(std::min(points.front().step, chart.steps.first),
                                  std::max(points.back().step, chart.steps.last));
  std::vector<FrameTick> y_ticks;
  for (const int share : {0, 25, 50, 75, 100}) {
    y_ticks.push_back({.place = share / 100.0, .text = fmt::format("{} %", share)});
  }
  write_legend(page, chart);
  draw_frame(page,
             {.text = chart.text,
              .x_ticks = frame_ticks(x_axis),
              .y_ticks = y_ticks,
              .x_name = "step",
              .height = chart.height,
              .marks = frame_marks(chart.marks, x_axis),
              .x_low = x_axis.low(),
              .x_high = x_axis.high(),
              .y_low = 0,
              .y_high = 100},
             [&] {
               std::vector<double> lower(points.size(), 0.0);
               for (std::size_t part = 0; part < parts.size(); ++part) {
                 page.empty("path", {{"class", "area " + parts[part].colour},
                                     {"data-name", parts[part].name},
                                     {"d", area_path(points, ends[part], lower, x_axis)}});
                 lower = ends[part];
               }
             });
}

}  // namespace

std::vector<std::vector<double>> stacked_shares(const std::vector<AreaPart>& parts) {
  if (parts.empty()) return {};
  const std::size_t steps = parts.front().points.size();
  std::vector<std::vector<double>> ends(parts.size(), std::vector<double>(steps, 0.0));
  for (std::size_t at = 0; at < steps; ++at) {
    double whole = 0;
    for (const AreaPart& part : parts) whole += or_zero(part.points[at].mean);
    double sum = 0;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      sum += or_zero(parts[part].points[at].mean);
      if (whole > 0) {
        ends[part][at] = sum / whole;
      } else if (at > 0) {
        ends[part][at] = ends[part][at - 1];
      }
    }
  }
  return ends;
}

void draw(Markup& page, const AreaChart& chart) {
  draw_figure(page, chart.text, [&] {
    if (chart.parts.empty() || chart.parts.front().points.empty()) {
      write_no_data(page, chart.text);
      return;
    }
    draw_areas(page, chart);
    write_numbers(page, chart.numbers);
  });
}

}  // namespace softmoe::training
