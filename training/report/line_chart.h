#pragma once

#include <optional>

#include "training/report/chart_frame.h"
#include "training/report/curve.h"

namespace softmoe::training {

enum class LineShape { line, thin, dashed, dots };

struct ChartLine {
  std::string name;
  std::string colour;  ///< a class of palette.h
  std::vector<CurvePoint> points;
  LineShape shape = LineShape::line;
  bool has_band = false;          ///< from the least to the greatest value of each bin
  std::optional<int> layer = {};  ///< can be picked out by its number
};

enum class LegendKind {
  each,   ///< a word for each line
  depth,  ///< a scale from the first layer to the last
};

/// Lines over the steps of a run.
struct LineChart {
  ChartText text;
  std::vector<ChartLine> lines;
  std::vector<ChartMark> marks = {};
  std::optional<StepRange> steps = {};
  AxisKind y_kind = AxisKind::linear;
  LegendKind legend = LegendKind::each;
  std::optional<double> y_low = {};   ///< at most this at the bottom
  std::optional<double> y_high = {};  ///< at least this at the top
  int height = 190;
};

/// Points for each of so many lines, so that a chart of many stays small.
[[nodiscard]] std::size_t points_of_each(std::size_t lines);

void draw(Markup& page, const LineChart& chart);

/// "M0 100L10 90": lines through points, broken where there is a gap; a lonely point is a dot.
[[nodiscard]] std::string path_through(const std::vector<CurvePoint>& points, const Axis& x_axis,
                                       const Axis& y_axis);

}  // namespace softmoe::training
