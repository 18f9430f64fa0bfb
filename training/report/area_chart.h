#pragma once

#include "training/report/chart_frame.h"
#include "training/report/curve.h"

namespace softmoe::training {

/// One part of a whole.
struct AreaPart {
  std::string name;
  std::string colour;
  std::vector<CurvePoint> points;  ///< of the same steps for all parts
};

/// Shares of a whole over the steps of a run, stacked from the bottom up to 100 %.
struct AreaChart {
  ChartText text;
  std::vector<AreaPart> parts;
  std::vector<ChartMark> marks = {};
  StepRange steps = {0, 0};
  NumberTable numbers = {};
  int height = 240;
};

/// For each part where its area ends, as a share of the whole at each step: the last ends at 1. A
/// step whose whole is 0 or not finite repeats the one before it.
[[nodiscard]] std::vector<std::vector<double>> stacked_shares(const std::vector<AreaPart>& parts);

void draw(Markup& page, const AreaChart& chart);

}  // namespace softmoe::training
