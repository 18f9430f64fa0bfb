#pragma once

#include "training/report/chart_frame.h"

namespace softmoe::training {

enum class HeatScale {
  ratio,  ///< 1 in the middle, doublings and halvings to either side; 0 has a colour of its own
  much,   ///< from the least to the most
};

/// A number for each cell of a grid. Rows run down.
struct Heatmap {
  ChartText text;
  std::vector<std::vector<double>> rows;  ///< [row][column]; NaN draws nothing
  std::string row_name;                   ///< "layer"
  std::string column_name;                ///< "expert"
  double first_column = 0;                ///< what the columns are numbered from
  double last_column = 0;                 ///< and to
  HeatScale scale = HeatScale::much;
  double low = 0;  ///< ends of the scale `much`
  double high = 1;
  std::vector<ChartMark> marks = {};
};

/// Columns that a map draws; neighbours are averaged where there are more.
inline constexpr std::size_t kMaxHeatColumns = 512;

/// "s3", "d8" or "dead": the colour of a value.
[[nodiscard]] std::string heat_class(const Heatmap& map, double value);

/// At most `most` columns, each the mean of neighbours without NaN.
[[nodiscard]] std::vector<std::vector<double>> with_columns_joined(
    const std::vector<std::vector<double>>& rows, std::size_t most);

void draw(Markup& page, const Heatmap& map);

}  // namespace softmoe::training
