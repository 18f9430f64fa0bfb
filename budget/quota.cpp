#include "budget/quota.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

constexpr double kExactLimit = 4503599627370496.0;  // 2^52

struct RowRange {
  std::int64_t least = 0;
  std::int64_t most = 0;
};

/// One layer of a demand.
class LayerDemand {
 public:
  LayerDemand(const QuotaDemand& demand, std::size_t layer) : demand_(&demand), layer_(layer) {}

  [[nodiscard]] double cost() const {
    return demand_->cost_L.empty() ? 1.0 : demand_->cost_L[layer_];
  }
  [[nodiscard]] RowRange range() const {
    const std::int64_t tokens = demand_->tokens;
    const std::int64_t least = demand_->floor * tokens;
    const std::int64_t most = demand_->cap_L[layer_] * tokens;
    const double asked_least = demand_->least_L.empty() ? 0.0 : demand_->least_L[layer_];
    const double asked_most =
        demand_->most_L.empty() ? static_cast<double>(most) : demand_->most_L[layer_];
    const RowRange asked{.least = to_rows(std::ceil(asked_least * static_cast<double>(tokens))),
                         .most = to_rows(std::floor(asked_most * static_cast<double>(tokens)))};
    const RowRange range{.least = std::clamp(asked.least, least, most),
                         .most = std::clamp(asked.most, least, most)};
    // Bounds tighter than a row cross over by it.
    return {.least = std::min(range.least, range.most), .most = range.most};
  }
  [[nodiscard]] double share(double scale) const {
    const RowRange rows = range();
    return std::clamp(scale * demand_->mean_L[layer_], static_cast<double>(rows.least),
                      static_cast<double>(rows.most));
  }

 private:
  static std::int64_t to_rows(double rows) {
    return static_cast<std::int64_t>(std::min(rows, kExactLimit));
  }

  const QuotaDemand* demand_;
  std::size_t layer_;
};

[[noreturn]] void refuse_list(std::string_view name, std::size_t size, std::size_t num_layers) {
  throw InvalidArgument(
      fmt::format("split_quota: {} {} for the means of {} layers", size, name, num_layers));
}

void require_usable(const QuotaDemand& demand) {
  const std::size_t num_layers = demand.mean_L.size();
  const auto may_be_left_out = [&](std::string_view name, std::span<const double> list_L) {
    if (!list_L.empty() && list_L.size() != num_layers)
      refuse_list(name, list_L.size(), num_layers);
  };
  if (demand.cap_L.size() != num_layers) refuse_list("caps", demand.cap_L.size(), num_layers);
  may_be_left_out("costs", demand.cost_L);
  may_be_left_out("lower bounds", demand.least_L);
  may_be_left_out("upper bounds", demand.most_L);
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    const double mean = demand.mean_L[layer];
    const double cost = LayerDemand(demand, layer).cost();
    if (!(mean > 0.0) || !std::isfinite(mean) || !(cost > 0.0) || !std::isfinite(cost) ||
        demand.cap_L[layer] < demand.floor) {
      throw InvalidArgument(
          fmt::format("split_quota: layer {} has mean {}, cost {}, cap {} and floor {}; mean and "
                      "cost must be above 0, the cap no less than the floor",
                      layer, mean, cost, demand.cap_L[layer], demand.floor));
    }
  }
}

double cost_at(const QuotaDemand& demand, double scale) {
  double cost = 0.0;
  for (std::size_t layer = 0; layer < demand.mean_L.size(); ++layer) {
    const LayerDemand here(demand, layer);
    cost += here.cost() * here.share(scale);
  }
  return cost;
}

/// The mu at which the shares cost `allowance`: the cost rises with it. The search begins where
/// all layers are at their lower bounds and where all are at their upper ones.
double solve_scale(const QuotaDemand& demand, double allowance) {
  double low = kExactLimit;
  double high = 0.0;
  for (std::size_t layer = 0; layer < demand.mean_L.size(); ++layer) {
    const RowRange rows = LayerDemand(demand, layer).range();
    low = std::min(low, static_cast<double>(rows.least) / demand.mean_L[layer]);
    high = std::max(high, static_cast<double>(rows.most) / demand.mean_L[layer]);
  }
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return high;
    (cost_at(demand, middle) < allowance ? low : high) = middle;
  }
}

/// Moves the rounded shares of a demand until they spend an allowance.
class Rounding {
 public:
  Rounding(const QuotaDemand& demand, double allowance, QuotaSplit& split)
      : demand_(&demand), split_(&split), left_(allowance) {
    for (std::size_t layer = 0; layer < num_layers(); ++layer) {
      split.rows_L[layer] = static_cast<std::int64_t>(std::floor(split.share_L[layer]));
      left_ -= cost(layer) * static_cast<double>(split.rows_L[layer]);
    }
  }

  /// The solver's last bit can put a share above a whole number that it should be below.
  void take_back_overdraft() {
    while (left_ < 0.0) {
      const std::size_t layer = pick([this](std::size_t l) {
        return split_->rows_L[l] > LayerDemand(*demand_, l).range().least ? 1.0 - remainder(l)
                                                                          : -1.0;
      });
      if (layer == num_layers()) return;
      move(layer, -1);
    }
  }
  /// One row to each in the order of what rounding took from them.
  void give_by_remainder() {
    while (true) {
      const std::size_t layer = pick([this](std::size_t l) {
        const bool may_grow = remainder(l) > 0.0 && has_room(l) && cost(l) <= left_;
        return may_grow ? remainder(l) : -1.0;
      });
      if (layer == num_layers()) return;
      move(layer, 1);
    }
  }
  /// What unequal costs leave over buys rows where it still can, the dearest first.
  void give_the_rest() {
    while (true) {
      const std::size_t layer =
          pick([this](std::size_t l) { return has_room(l) && cost(l) <= left_ ? cost(l) : -1.0; });
      if (layer == num_layers()) return;
      const std::int64_t room = LayerDemand(*demand_, layer).range().most - split_->rows_L[layer];
      const auto affordable = static_cast<std::int64_t>(std::floor(left_ / cost(layer)));
      move(layer, std::clamp<std::int64_t>(affordable, 1, room));
    }
  }

 private:
  [[nodiscard]] std::size_t num_layers() const { return demand_->mean_L.size(); }
  [[nodiscard]] double cost(std::size_t layer) const { return LayerDemand(*demand_, layer).cost(); }
  [[nodiscard]] double remainder(std::size_t layer) const {
    return split_->share_L[layer] - static_cast<double>(split_->rows_L[layer]);
  }
  [[nodiscard]] bool has_room(std::size_t layer) const {
    return split_->rows_L[layer] < LayerDemand(*demand_, layer).range().most;
  }
  void move(std::size_t layer, std::int64_t rows) {
    split_->rows_L[layer] += rows;
    left_ -= cost(layer) * static_cast<double>(rows);
  }
  /// The layer of the largest claim, none (L) if all are negative. Equal claims are served in an
  /// order that begins one layer later in every step.
  template <class Claim>
  [[nodiscard]] std::size_t pick(const Claim& claim) const {
    std::size_t best = num_layers();
    double best_claim = -1.0;
    const auto first = static_cast<std::size_t>(demand_->step.value) % num_layers();
    for (std::size_t i = 0; i < num_layers(); ++i) {
      const std::size_t layer = (first + i) % num_layers();
      const double here = claim(layer);
      if (here >= 0.0 && here > best_claim) {
        best = layer;
        best_claim = here;
      }
    }
    return best;
  }

  const QuotaDemand* demand_;
  QuotaSplit* split_;
  double left_;
};

}  // namespace

std::int64_t quota_of_step(double budget, Step step, std::int64_t tokens) {
  const double per_step = budget * static_cast<double>(tokens);
  const double until = per_step * static_cast<double>(step.value + 1);
  if (!(per_step > 0.0) || step.value < 0 || !(until < kExactLimit)) {
    throw InvalidArgument(
        fmt::format("quota_of_step: a budget of {} over {} tokens at step {} is no number of rows "
                    "from 1 to 2^52",
                    budget, tokens, step.value));
  }
  const double before = per_step * static_cast<double>(step.value);
  return static_cast<std::int64_t>(std::floor(until) - std::floor(before));
}

QuotaSplit split_quota(const QuotaDemand& demand, QuotaSplit memory) {
  require_usable(demand);
  QuotaSplit split = std::move(memory);
  split.rows_L.assign(demand.mean_L.size(), 0);
  split.share_L.assign(demand.mean_L.size(), 0.0);
  if (demand.tokens == 0 || demand.mean_L.empty()) return split;

  double least = 0.0;
  double most = 0.0;
  for (std::size_t layer = 0; layer < demand.mean_L.size(); ++layer) {
    const LayerDemand here(demand, layer);
    least += here.cost() * static_cast<double>(here.range().least);
    most += here.cost() * static_cast<double>(here.range().most);
  }
  const auto quota = static_cast<double>(quota_of_step(demand.budget, demand.step, demand.tokens));
  const double allowance = std::clamp(quota, least, most);
  const double scale = solve_scale(demand, allowance);
  for (std::size_t layer = 0; layer < demand.mean_L.size(); ++layer) {
    split.share_L[layer] = LayerDemand(demand, layer).share(scale);
  }
  Rounding rounding(demand, allowance, split);
  rounding.take_back_overdraft();
  rounding.give_by_remainder();
  rounding.give_the_rest();
  return split;
}

std::int64_t lane_quota(std::int64_t rows, const LanePlace& place) {
  if (place.lane >= place.num_lanes) return 0;
  const std::int64_t rest = rows % place.num_lanes;
  const auto first = (place.step.value + place.layer) % place.num_lanes;
  const std::int64_t turn = (place.lane - first + place.num_lanes) % place.num_lanes;
  return rows / place.num_lanes + (turn < rest ? 1 : 0);
}

}  // namespace softmoe::budget
