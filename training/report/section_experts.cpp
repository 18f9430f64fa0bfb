// What the router did: per layer, per expert, and how sure it was.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/report/heatmap.h"
#include "training/report/sections.h"

namespace softmoe::training {

namespace {

constexpr std::size_t kMapColumns = 180;

double highest(const std::vector<LayerHistory>& layers, Curve LayerHistory::*quantity) {
  double high = 0;
  for (const LayerHistory& layer : layers) {
    if (!(layer.*quantity).is_empty()) high = std::max(high, (layer.*quantity).total().max);
  }
  return high;
}

void draw_loads(Markup& page, const RunHistory& history) {
  Heatmap map{
      .text =
          {.id = "loads",
           .title = "Load of each expert at the end",
           .unit = "layer",
           .reading = fmt::format(
               "Rows of each expert over the mean of its layer, over the last {} steps: grey is "
               "a fair share, orange too much, blue too little.",
               history.last_loads.size())},
      .rows = history.load_ratios(),
      .row_name = "layer",
      .column_name = "expert",
      .scale = HeatScale::ratio};
  std::size_t experts = 1;
  for (const auto& row : map.rows) experts = std::max(experts, row.size());
  map.last_column = static_cast<double>(experts - 1);
  draw(page, map);
}

void draw_imbalance(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  Heatmap map{.text = {.id = "imbalance",
                       .title = "Imbalance over time",
                       .unit = "layer",
                       .reading = "Rows of the fullest expert over the mean of its layer: 1 is "
                                  "even, and the farther up "
                                  "the scale, the longer ranks wait for one of them."},
              .rows = {},
              .row_name = "layer",
              .column_name = "step",
              .first_column = static_cast<double>(history.first_step),
              .last_column = static_cast<double>(history.last_step),
              .scale = HeatScale::much,
              .low = 1,
              .high = 2,
              .marks = parts.marks};
  for (const LayerHistory& layer : history.layers) {
    std::vector<double> row;
    for (const CurvePoint& point : layer.imbalance.points(kMapColumns)) {
      row.push_back(point.mean);
      if (!std::isnan(point.mean)) map.high = std::max(map.high, point.mean);
    }
    map.rows.push_back(std::move(row));
  }
  // A collapsed first step must not wash out the rest.
  map.high = std::min(map.high, 8.0);
  draw(page, map);
}

}  // namespace

void write_layers(Markup& page, const PageParts& parts) {
  const auto section = page.element("section", {{"id", "layers"}});
  page.leaf("h2", "Experts per layer");
  page.leaf(
      "p",
      "Each layer learns how many experts its tokens need. Both charts have one scale, so that "
      "what was learned and what ran can be compared.");
  const std::vector<LayerHistory>& layers = parts.history.layers;
  const double high = std::max(highest(layers, &LayerHistory::k),
                               highest(layers, &LayerHistory::experts_per_token));
  const auto charts = page.element("div", {{"class", "charts"}});
  draw_layers(page, parts,
              {.id = "learned",
               .title = "Learned mean k",
               .unit = "soft experts per token",
               .reading = "Soft mass that each layer gives a token, as the layer means learned it; "
                          "the sum over layers is fixed."},
              &LayerHistory::k, high);
  draw_layers(page, parts,
              {.id = "realised",
               .title = "Experts that ran",
               .unit = "experts per token",
               .reading = "Executions per token in each layer; the sum over layers is what the "
                          "budget holds."},
              &LayerHistory::experts_per_token, high);
}

void write_usage(Markup& page, const PageParts& parts) {
  const auto section = page.element("section");
  page.leaf("h2", "Use of experts");
  const auto charts = page.element("div", {{"class", "charts"}});
  {
    const auto wide = page.element("div", {{"class", "wide"}});
    draw_loads(page, parts.history);
  }
  {
    const auto wide = page.element("div", {{"class", "wide"}});
    draw_imbalance(page, parts);
  }
  {
    const auto wide = page.element("div", {{"class", "wide"}});
    draw_layers(
        page, parts,
        {.id = "dead",
         .title = "Dead experts",
         .unit = "experts",
         .reading = "Experts of each layer that no token of a step ran: 0 is healthy, and a "
                    "line that stays high is a layer that wastes parameters."},
        &LayerHistory::dead_experts, 1.0);
  }
}

void write_softness(Markup& page, const PageParts& parts) {
  const auto section = page.element("section");
  page.leaf("h2", "How sure the router is");
  const auto charts = page.element("div", {{"class", "charts"}});
  draw_layers(page, parts,
              {.id = "margin",
               .title = "Decision margin",
               .unit = "units of α",
               .reading = "Median distance of a token's decision from the surface where it would "
                          "tip over: wider margins are surer decisions."},
              &LayerHistory::margin_median, std::nullopt);
  draw_layers(
      page, parts,
      {.id = "boundary",
       .title = "Boundary mass",
       .unit = "per token",
       .reading = "Mean of Σ min(p, 1−p): what is neither in nor out; it falls to 0 as soft "
                  "choices become hard."},
      &LayerHistory::boundary_mass, std::nullopt);
}

}  // namespace softmoe::training
