#include "training/report/heatmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "training/report/palette.h"

namespace softmoe::training {

namespace {

// The scale `ratio` ends at a quarter and at four times the mean.
constexpr double kDoublings = 2;
// Few cells are drawn apart; of many, neighbours of one colour are one stroke.
constexpr std::size_t kMaxApart = 64;
constexpr int kMaxRowTicks = 9;

std::size_t columns_of(const std::vector<std::vector<double>>& rows) {
  std::size_t columns = 0;
  for (const std::vector<double>& row : rows) columns = std::max(columns, row.size());
  return columns;
}

bool are_apart(const std::vector<std::vector<double>>& rows) {
  return columns_of(rows) <= kMaxApart && rows.size() <= kMaxApart;
}

/// Strokes of one colour each, so that a cell costs a few bytes.
std::map<std::string, std::string> strokes_of(const Heatmap& map,
                                              const std::vector<std::vector<double>>& rows) {
  const bool is_separate = are_apart(rows);
  std::map<std::string, std::string> paths;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < rows[row].size();) {
      const std::string colour = heat_class(map, rows[row][column]);
      std::size_t end = column + 1;
      while (!is_separate && end < rows[row].size() && heat_class(map, rows[row][end]) == colour) {
        ++end;
      }
      if (!colour.empty()) {
        paths[colour] += is_separate ? fmt::format("M{}.03 {}.5h.94", column, row)
                                     : fmt::format("M{} {}.5h{}", column, row, end - column);
      }
      column = end;
    }
  }
  return paths;
}

/// Every number in three digits, for the read-out under the pointer.
std::string values_of(const std::vector<std::vector<double>>& rows) {
  std::string text;
  for (const std::vector<double>& row : rows) {
    if (!text.empty()) text += ";";
    for (std::size_t column = 0; column < row.size(); ++column) {
      if (column > 0) text += " ";
      text += std::isnan(row[column]) ? "-" : fmt::format("{:.3g}", row[column]);
    }
  }
  return text;
}

std::vector<FrameTick> row_ticks(std::size_t rows) {
  const auto count = static_cast<double>(rows);
  std::vector<FrameTick> ticks;
  const std::size_t every = (rows + kMaxRowTicks - 1) / kMaxRowTicks;
  for (std::size_t row = 0; row < rows; row += every) {
    ticks.push_back(
        {.place = 1 - (static_cast<double>(row) + 0.5) / count, .text = std::to_string(row)});
  }
  return ticks;
}

/// The middle of a cell has the number of its column.
Axis column_axis(const Heatmap& map, std::size_t columns) {
  const double width =
      columns < 2 ? 1.0 : (map.last_column - map.first_column) / static_cast<double>(columns - 1);
  return Axis::exact(map.first_column - width / 2, map.last_column + width / 2);
}

void write_scale(Markup& page, const Heatmap& map) {
  const bool is_ratio = map.scale == HeatScale::ratio;
  const auto list = page.element("ul", {{"class", "legend"}});
  {
    const auto item = page.element("li", {{"class", "scale"}});
    page.leaf("span", is_ratio ? "¼ or less" : short_number(map.low));
    for (int level = 0; level < kLevels; ++level) {
      page.leaf("i", {{"class", fmt::format("swatch {}{}", is_ratio ? 'd' : 's', level)}}, "");
    }
    page.leaf("span", is_ratio ? "4 or more times the mean" : short_number(map.high) + " or more");
  }
  if (!is_ratio) return;
  const auto item = page.element("li");
  page.leaf("i", {{"class", "swatch dead"}}, "");
  page.text("none at all");
}

NumberTable numbers_of(const Heatmap& map) {
  NumberTable table{.columns = {map.row_name, "lowest", "median", "highest", "last"}, .rows = {}};
  for (std::size_t row = 0; row < map.rows.size(); ++row) {
    std::vector<double> values;
    for (const double value : map.rows[row]) {
      if (!std::isnan(value)) values.push_back(value);
    }
    if (values.empty()) continue;
    const double last = values.back();
    std::sort(values.begin(), values.end());
    table.rows.push_back({std::to_string(row), short_number(values.front()),
                          short_number(values[values.size() / 2]), short_number(values.back()),
                          short_number(last)});
  }
  return table;
}

void draw_cells(Markup& page, const Heatmap& map) {
  const std::vector<std::vector<double>> rows = with_columns_joined(map.rows, kMaxHeatColumns);
  const std::size_t columns = columns_of(rows);
  const Axis x_axis = column_axis(map, columns);
  const int row_height = std::clamp(340 / static_cast<int>(rows.size()), 5, 26);
  write_scale(page, map);
  draw_frame(page,
             {.text = map.text,
              .x_ticks = frame_ticks(x_axis),
              .y_ticks = row_ticks(rows.size()),
              .x_name = map.column_name,
              .has_grid = false,
              .height = row_height * static_cast<int>(rows.size()),
              .marks = frame_marks(map.marks, x_axis),
              .x_low = x_axis.low(),
              .x_high = x_axis.high(),
              .y_low = 0,
              .y_high = static_cast<double>(rows.size())},
             [&] {
               const auto cells =
                   page.element("svg", {{"class", "cells"},
                                        {"width", "100%"},
                                        {"height", "100%"},
                                        {"viewBox", fmt::format("0 0 {} {}", columns, rows.size())},
                                        {"preserveAspectRatio", "none"},
                                        {"data-row-name", map.row_name},
                                        {"data-values", values_of(rows)}});
               const std::string shape = are_apart(rows) ? "cell apart " : "cell ";
               for (const auto& [colour, path] : strokes_of(map, rows)) {
                 page.empty("path", {{"class", shape + colour}, {"d", path}});
               }
             });
}

}  // namespace

std::string heat_class(const Heatmap& map, double value) {
  if (std::isnan(value)) return "";
  if (map.scale == HeatScale::much) {
    return fmt::format("s{}", level_of((value - map.low) / (map.high - map.low)));
  }
  if (value <= 0) return "dead";
  return fmt::format("d{}", level_of((std::log2(value) + kDoublings) / (2 * kDoublings)));
}

std::vector<std::vector<double>> with_columns_joined(const std::vector<std::vector<double>>& rows,
                                                     std::size_t most) {
  const std::size_t group = (columns_of(rows) + most - 1) / most;
  if (group <= 1) return rows;
  std::vector<std::vector<double>> result;
  for (const std::vector<double>& row : rows) {
    std::vector<double> sums((row.size() + group - 1) / group, 0.0);
    std::vector<int> counts(sums.size(), 0);
    for (std::size_t column = 0; column < row.size(); ++column) {
      if (std::isnan(row[column])) continue;
      sums[column / group] += row[column];
      ++counts[column / group];
    }
    for (std::size_t column = 0; column < sums.size(); ++column) {
      sums[column] = counts[column] > 0 ? sums[column] / counts[column] : std::nan("");
    }
    result.push_back(std::move(sums));
  }
  return result;
}

void draw(Markup& page, const Heatmap& map) {
  draw_figure(page, map.text, [&] {
    if (columns_of(map.rows) == 0) {
      write_no_data(page, map.text);
      return;
    }
    draw_cells(page, map);
    write_numbers(page, numbers_of(map));
  });
}

}  // namespace softmoe::training
