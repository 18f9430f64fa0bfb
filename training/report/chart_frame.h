#pragma once

// What all charts share: a heading that says how to read them, the frame with ticks around the
// plot, marks of events, and the table of numbers behind it.
//
// A frame is as wide as its column: places along x are percentages, texts keep their size, and only
// the curves' own coordinate system is stretched.

#include <functional>
#include <string>
#include <vector>

#include "training/report/axis.h"
#include "training/report/markup.h"

namespace softmoe::training {

/// What a chart says of itself.
struct ChartText {
  std::string id;  ///< of the element; unique on the page
  std::string title;
  std::string unit;
  std::string reading;  ///< one sentence: what is shown and how to read it
};

/// A label beside the plot, at a place from 0 (left, bottom) to 1.
struct FrameTick {
  double place;
  std::string text;
  std::string meaning = {};  ///< in words, under the pointer
};

/// A step at which something happened.
struct ChartMark {
  double step;
  std::string label;    ///< short: its number in the table of events
  std::string meaning;  ///< in words
};

/// The steps that an axis shows at least.
struct StepRange {
  double first;
  double last;
};

struct Frame {
  const ChartText& text;
  std::vector<FrameTick> x_ticks;
  std::vector<FrameTick> y_ticks;
  std::string x_name;
  bool has_grid = true;
  int height = 190;                   ///< of the plot, in pixels
  std::vector<FrameTick> marks = {};  ///< by place
  double x_low = 0;                   ///< the data's ends, for the read-out under the pointer
  double x_high = 1;
  double y_low = 0;
  double y_high = 1;
  AxisKind y_kind = AxisKind::linear;
};

/// A table of numbers; the first column heads its row.
struct NumberTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

/// Side of the square coordinate system that curves are drawn in; y runs down.
inline constexpr double kPlotSide = 1000;

[[nodiscard]] std::vector<FrameTick> frame_ticks(const Axis& axis);
/// The marks between the ends of an axis of steps.
[[nodiscard]] std::vector<FrameTick> frame_marks(const std::vector<ChartMark>& marks,
                                                 const Axis& x_axis);

/// The figure of a chart: its heading, and below it what `draw` writes.
void draw_figure(Markup& page, const ChartText& text, const std::function<void()>& draw);
/// The frame, and in it what `draw` writes.
void draw_frame(Markup& page, const Frame& frame, const std::function<void()>& draw);
/// The table behind a chart, folded.
void write_numbers(Markup& page, const NumberTable& table);
/// In place of a chart without data.
void write_no_data(Markup& page, const ChartText& text);

/// "523.4": a coordinate of the plot.
[[nodiscard]] std::string coordinate(double value);

}  // namespace softmoe::training
