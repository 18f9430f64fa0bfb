// Loss, budget and optimisation.

#include <algorithm>
#include <cmath>

#include "training/report/line_chart.h"
#include "training/report/sections.h"

namespace softmoe::training {

namespace {

/// Where steps were skipped, at one height.
std::vector<CurvePoint> skipped_at(const Curve& skipped, double height) {
  std::vector<CurvePoint> places;
  for (const CurvePoint& point : skipped.points(400)) {
    if (point.max > 0) places.push_back({point.step, height, height, height});
  }
  return places;
}

void add_skipped(LineChart& chart, const RunHistory& history, double height) {
  std::vector<CurvePoint> places = skipped_at(history.skipped, height);
  if (places.empty()) return;
  chart.lines.push_back({.name = "skipped, not finite",
                         .colour = "bad",
                         .points = std::move(places),
                         .shape = LineShape::dots});
}

double least(const Curve& curve) {
  return curve.is_empty() ? 0.0 : curve.total().min;
}

void draw_gradient(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  const double low = least(history.gradient_norm);
  // One step in a thousand times the others would press them flat.
  const bool is_wide =
      low > 0 && history.gradient_norm.total().max > 20 * history.gradient_norm.mean();
  LineChart chart{
      .text = {.id = "gradient-norm",
               .title = "Gradient norm",
               .unit = "norm",
               .reading = "Norm of the mean gradient before clipping; where it is above the dashed "
                          "line it was scaled down to it, and a red point is a step that was "
                          "skipped."},
      .lines = {{.name = "single steps",
                 .colour = "c0",
                 .points = history.gradient_norm.points(points_of_each(4)),
                 .shape = LineShape::thin,
                 .has_band = true},
                {.name = "smoothed", .colour = "c0", .points = smooth_line(history.gradient_norm)}},
      .marks = parts.marks,
      .steps = steps_of(history),
      .y_kind = is_wide ? AxisKind::logarithmic : AxisKind::linear,
      .y_low = is_wide ? std::nullopt : std::optional(0.0)};
  if (parts.facts.clip_norm && *parts.facts.clip_norm > 0 && history.num_steps > 0) {
    const double norm = *parts.facts.clip_norm;
    const auto first = static_cast<double>(history.first_step);
    const auto last = static_cast<double>(history.last_step);
    chart.lines.push_back({.name = "clipping",
                           .colour = "c1",
                           .points = {{first, norm, norm, norm}, {last, norm, norm, norm}},
                           .shape = LineShape::dashed});
  }
  add_skipped(chart, history, low);
  draw(page, chart);
}

}  // namespace

void write_loss(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  const auto section = page.element("section");
  page.leaf("h2", "Loss");
  const auto charts = page.element("div", {{"class", "charts"}});
  const auto wide = page.element("div", {{"class", "wide"}});
  LineChart chart{
      .text = {.id = "loss",
               .title = "Training and validation loss",
               .unit = "nats per token",
               .reading = "Cross-entropy, lower is better: thin and shaded what single steps had, "
                          "bold their running mean, points the loss on validation tokens."},
      .lines = {{.name = "training, single steps",
                 .colour = "c0",
                 .points = history.loss.points(points_of_each(4)),
                 .shape = LineShape::thin,
                 .has_band = true},
                {.name = "training, smoothed", .colour = "c0", .points = smooth_line(history.loss)},
                {.name = "validation",
                 .colour = "c1",
                 .points = history.validation.points(points_of_each(4)),
                 .shape = LineShape::dots}},
      .marks = parts.marks,
      .steps = steps_of(history),
      .height = 280};
  add_skipped(chart, history, least(history.loss));
  draw(page, chart);
}

void write_budget(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  const auto section = page.element("section");
  page.leaf("h2", "Budget");
  page.leaf(
      "p",
      "The budget is what experts really execute per token, summed over layers. In mode servo "
      "the shift λ follows it; in mode quota it is held exactly before each step.");
  const auto charts = page.element("div", {{"class", "charts"}});
  {
    const auto wide = page.element("div", {{"class", "wide"}});
    draw(
        page,
        LineChart{.text = {.id = "budget",
                           .title = "Budget used against its target",
                           .unit = "experts per token",
                           .reading =
                               "The line should lie on the dashed target; its shade is what single "
                               "steps used."},
                  .lines = {{.name = "used",
                             .colour = "c0",
                             .points = history.budget_used.points(points_of_each(4)),
                             .has_band = true},
                            {.name = "target",
                             .colour = "c1",
                             .points = history.budget_target.points(points_of_each(4)),
                             .shape = LineShape::dashed}},
                  .marks = parts.marks,
                  .steps = steps_of(history)});
  }
  draw_single(page, parts,
              {.text = {.id = "lambda",
                        .title = "Shift λ",
                        .unit = "units of α",
                        .reading = "What the controller turns: higher asks for surer experts, so "
                                   "fewer run."},
               .curve = history.lambda,
               .name = "λ",
               .colour = "c5"});
  draw_single(
      page, parts,
      {.text = {.id = "alpha",
                .title = "Temperature α",
                .unit = "score units",
                .reading = "How soft the router's choice is: lower is nearer to yes or no."},
       .curve = history.alpha,
       .name = "α",
       .colour = "c5"});
}

void write_optimisation(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  const auto section = page.element("section");
  page.leaf("h2", "Optimisation");
  const auto charts = page.element("div", {{"class", "charts"}});
  draw_gradient(page, parts);
  draw_single(page, parts,
              {.text = {.id = "learning-rate",
                        .title = "Learning rate",
                        .unit = "of matrices",
                        .reading = "What the schedule gave the weight matrices at each step."},
               .curve = history.learning_rate,
               .name = "learning rate",
               .colour = "c0"});
  draw_single(
      page, parts,
      {.text = {.id = "clip-factor",
                .title = "Clip factor",
                .unit = "share kept",
                .reading = "What the gradient was multiplied by: 1 left it alone, less means "
                           "that it was clipped."},
       .curve = history.clip_factor,
       .name = "clip factor",
       .colour = "c0"});
  draw_single(page, parts,
              {.text = {.id = "balance-loss",
                        .title = "Balance terms",
                        .unit = "per token",
                        .reading = "Switch loss and z-loss of all layers together, which the "
                                   "gradient also lowers."},
               .curve = history.balance_loss,
               .name = "balance terms",
               .colour = "c0"});
}

}  // namespace softmoe::training
