#include "router/router_config.h"

#include <fmt/format.h>

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::router {

void RouterConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.choice(
      "kind", kind,
      {{"softmoe", RouterKind::softmoe}, {"top_k", RouterKind::top_k}, {"hash", RouterKind::hash}},
      "how experts are chosen: truncated LapSum, the best of a softmax, or a hash");
  reader.choice("normalisation", normalisation,
                {{"off", ScoreNormalisation::off}, {"token", ScoreNormalisation::token}},
                "raw scores, or centred and divided by their RMS, times a learned gain");
  reader.value("temperature", temperature, Range{.above = 0}, "LapSum scale alpha, score units");
  reader.value("threshold", threshold, Range{.above = 0, .below = 1},
               "experts with p above it run, before the budget's shift");
  reader.value("cap_factor", cap_factor, Range{.min = 1},
               "at most ceil(k * cap_factor) experts per token");
  reader.value("floor", floor, Range{.min = 0, .max = 1}, "every token runs at least so many");
  reader.choice("gate", gate,
                {{"truncated", GateRule::truncated},
                 {"relu", GateRule::relu},
                 {"renormalised", GateRule::renormalised}},
                "weight of an expert that runs: p, p - threshold, or p over the token's sum");
  reader.choice("layer_means", layer_means,
                {{"uniform", LayerMeans::uniform},
                 {"simplex", LayerMeans::simplex},
                 {"box", LayerMeans::box}},
                "how the soft mass is shared among layers: equally, or learned");
  reader.value("total_mass", total_mass, Range{.above = 0},
               "soft mass K of all layers; unset: the budget");
  reader.value("box_min", box_min, Range{.above = 0}, "least k of a layer under box");
  reader.value("box_max", box_max, Range{.above = 0}, "largest k of a layer under box");
  reader.value("top_k", top_k, Range{.min = 1, .max = 65536},
               "experts per token of the kinds top_k and hash");
  reader.value("renormalise_top_k", renormalise_top_k, "gates of the kind top_k sum to 1");
  reader.value("noise_std", noise_std, Range{.min = 0},
               "standard deviation of noise on the scores in training, score units");
  reader.value("noise_steps", noise_steps, Range{.min = 0},
               "noise falls linearly to 0 over so many steps; 0: constant");
  reader.value("balance", balance, Range{.min = 0}, "coefficient of the balance loss");
  reader.value("z_loss", z_loss, Range{.min = 0},
               "coefficient of logsumexp(scores)^2, with normalisation off");
}

void RouterConfig::validate(config::Check& check) const {
  if (z_loss > 0 && normalisation == ScoreNormalisation::token) {
    check.refuse("z_loss",
                 fmt::format("{} has nothing to act on: normalisation token fixes mean and "
                             "size of the scores; set z_loss to 0 or normalisation to off",
                             z_loss));
  }
  if (box_min >= box_max) {
    check.refuse("box_min", fmt::format("{} leaves no room below box_max, {}: choose a smaller one",
                                        box_min, box_max));
  }
}

}  // namespace softmoe::router
