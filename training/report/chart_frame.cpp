#include "training/report/chart_frame.h"

#include <fmt/format.h>

#include <cmath>

namespace softmoe::training {

namespace {

// Where names stand beside the plot, in pixels; the style leaves the room.
constexpr const char* kNameLeft = "-50";

std::string percent(double place) {
  return fmt::format("{:.2f}%", 100 * place);
}

void draw_grid(Markup& page, const Frame& frame) {
  for (const FrameTick& tick : frame.y_ticks) {
    const std::string y = percent(1 - tick.place);
    if (frame.has_grid) {
      page.empty("line", {{"class", "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", y}, {"y2", y}});
    }
    page.leaf("text", {{"class", "tick y"}, {"x", "-8"}, {"y", y}, {"dy", ".32em"}}, tick.text);
  }
  int number = 0;
  for (const FrameTick& tick : frame.x_ticks) {
    const std::string x = percent(tick.place);
    // On a narrow page every other label is left out.
    const char* kind = number++ % 2 == 0 ? "tick x" : "tick x spare";
    page.empty("line", {{"class", "notch"}, {"x1", x}, {"x2", x}, {"y1", "100%"}, {"y2", "100%"}});
    page.leaf("text", {{"class", kind}, {"x", x}, {"y", "100%"}, {"dy", "1.5em"}}, tick.text);
  }
  page.empty("line",
             {{"class", "axis"}, {"x1", "0"}, {"x2", "100%"}, {"y1", "100%"}, {"y2", "100%"}});
}

void draw_names(Markup& page, const Frame& frame) {
  page.leaf("text", {{"class", "name"}, {"x", kNameLeft}, {"y", "-9"}}, frame.text.unit);
  page.leaf("text", {{"class", "name end"}, {"x", "100%"}, {"y", "100%"}, {"dy", "2.9em"}},
            frame.x_name);
}

void draw_marks(Markup& page, const Frame& frame) {
  for (const FrameTick& mark : frame.marks) {
    const std::string x = percent(mark.place);
    page.empty("line", {{"class", "mark"}, {"x1", x}, {"x2", x}, {"y1", "0"}, {"y2", "100%"}});
    const auto label = page.element("text", {{"class", "mark"}, {"x", x}, {"y", "-6"}});
    page.leaf("title", mark.meaning);
    page.text(mark.text);
  }
}

}  // namespace

std::vector<FrameTick> frame_ticks(const Axis& axis) {
  std::vector<FrameTick> ticks;
  for (const double tick : axis.ticks()) {
    ticks.push_back({.place = axis.place(tick), .text = short_number(tick)});
  }
  return ticks;
}

std::vector<FrameTick> frame_marks(const std::vector<ChartMark>& marks, const Axis& x_axis) {
  std::vector<FrameTick> ticks;
  for (const ChartMark& mark : marks) {
    const double place = x_axis.place(mark.step);
    if (place >= 0 && place <= 1)
      ticks.push_back({.place = place, .text = mark.label, .meaning = mark.meaning});
  }
  return ticks;
}

void draw_figure(Markup& page, const ChartText& text, const std::function<void()>& draw) {
  const auto figure = page.element("figure", {{"id", text.id}, {"class", "chart"}});
  {
    const auto caption = page.element("figcaption");
    page.leaf("h3", text.title);
    page.leaf("p", text.reading);
  }
  draw();
}

void draw_frame(Markup& page, const Frame& frame, const std::function<void()>& draw) {
  const std::string title_id = frame.text.id + "-title";
  const std::string reading_id = frame.text.id + "-reading";
  const auto plot =
      page.element("svg", {{"class", "plot"},
                           {"width", "100%"},
                           {"height", std::to_string(frame.height)},
                           {"role", "img"},
                           {"aria-labelledby", title_id + " " + reading_id},
                           {"data-x", fmt::format("{} {}", frame.x_low, frame.x_high)},
                           {"data-y", fmt::format("{} {}", frame.y_low, frame.y_high)},
                           {"data-kind", frame.y_kind == AxisKind::linear ? "linear" : "log"},
                           {"data-x-name", frame.x_name}});
  page.leaf("title", {{"id", title_id}}, frame.text.title);
  page.leaf("desc", {{"id", reading_id}}, frame.text.reading);
  page.empty("rect", {{"class", "ground"}, {"width", "100%"}, {"height", "100%"}});
  draw_grid(page, frame);
  draw_names(page, frame);
  {
    const std::string side = std::to_string(std::lround(kPlotSide));
    const auto curves = page.element("svg", {{"class", "curves"},
                                             {"width", "100%"},
                                             {"height", "100%"},
                                             {"viewBox", "0 0 " + side + " " + side},
                                             {"preserveAspectRatio", "none"}});
    draw();
  }
  draw_marks(page, frame);
}

void write_numbers(Markup& page, const NumberTable& table) {
  const auto details = page.element("details", {{"class", "numbers"}});
  page.leaf("summary", "Numbers");
  const auto scroll = page.element("div", {{"class", "scroll"}});
  const auto whole = page.element("table");
  {
    const auto head = page.element("tr");
    for (const std::string& column : table.columns) {
      page.leaf("th", {{"scope", "col"}}, column);
    }
  }
  for (const std::vector<std::string>& cells : table.rows) {
    const auto row = page.element("tr");
    for (std::size_t cell = 0; cell < cells.size(); ++cell) {
      if (cell == 0) {
        page.leaf("th", {{"scope", "row"}}, cells[cell]);
      } else {
        page.leaf("td", cells[cell]);
      }
    }
  }
}

void write_no_data(Markup& page, const ChartText& text) {
  page.leaf("p", {{"class", "none"}},
            "Nothing to draw: the run folder has no number for \"" + text.title + "\".");
}

std::string coordinate(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

}  // namespace softmoe::training
