#pragma once

// The sections of the page, from top to bottom.

#include <vector>

#include "training/report/chart_frame.h"
#include "training/report/page.h"

namespace softmoe::training {

/// An event with its number on the charts.
struct NumberedEvent {
  RunEvent event;
  std::string label;  ///< empty: not marked
};

/// Events and changes of set-points by step. Changes of set-points, drains and, where there are
/// few, saves are numbered, at most 30.
[[nodiscard]] std::vector<NumberedEvent> numbered_events(const RunHistory& history);

/// What all sections read.
struct PageParts {
  const RunHistory& history;
  const RunFacts& facts;
  const std::vector<NumberedEvent>& events;
  const std::vector<ChartMark>& marks;
};

void write_summary(Markup& page, const PageParts& parts);
void write_loss(Markup& page, const PageParts& parts);
void write_budget(Markup& page, const PageParts& parts);
void write_layers(Markup& page, const PageParts& parts);
void write_usage(Markup& page, const PageParts& parts);
void write_softness(Markup& page, const PageParts& parts);
void write_speed(Markup& page, const PageParts& parts);
void write_optimisation(Markup& page, const PageParts& parts);
void write_events(Markup& page, const PageParts& parts);
void write_configuration(Markup& page, const PageParts& parts);

[[nodiscard]] StepRange steps_of(const RunHistory& history);
/// The running mean of a noisy curve.
[[nodiscard]] std::vector<CurvePoint> smooth_line(const Curve& curve);

/// The mean over the last `steps` steps.
[[nodiscard]] double mean_of_last(const Curve& curve, std::int64_t steps);

/// One quantity as a line with its band.
struct SingleCurve {
  ChartText text;
  const Curve& curve;
  std::string name;
  std::string colour;
  bool is_noisy = false;  ///< single steps thin, and their running mean above them
};
void draw_single(Markup& page, const PageParts& parts, const SingleCurve& single);

/// One quantity of all layers.
void draw_layers(Markup& page, const PageParts& parts, ChartText text,
                 Curve LayerHistory::*quantity, std::optional<double> y_high);

}  // namespace softmoe::training
