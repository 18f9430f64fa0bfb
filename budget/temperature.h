#pragma once

// The temperature alpha of LapSum over the steps: constant, a cosine, or a closed loop on how soft
// the router really is (large alpha: p -> k/n; small alpha: hard top-k).

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/base/strong.h"

namespace softmoe::budget {

enum class TemperatureKind : std::uint32_t {
  constant,       ///< `start` throughout
  cosine,         ///< from `start` to `end` over `num_steps`
  boundary_mass,  ///< follows a falling target of W / k, the share of the soft mass at the boundary
};

/// The schedule of alpha; part of the set-points.
struct Temperature {
  TemperatureKind kind = TemperatureKind::constant;
  double start = 1.0;           ///< alpha until `first_step`
  double end = 1.0;             ///< alpha of the cosine from `first_step + num_steps` on
  std::int64_t first_step = 0;  ///< where the cosine begins, also the target's
  std::int64_t num_steps = 1;   ///< length of the cosine, also of the target's
  double start_softness = 0.9;  ///< target of W / k at `first_step`, in (0, 1)
  double end_softness = 0.25;   ///< and at the end
  double floor = 0.05;          ///< the closed loop goes no lower
  double ceiling = 16.0;        ///< and no higher
};

/// What one step showed of the router's softness.
struct Softness {
  double boundary_mass = 0.0;       ///< W: mean over tokens of sum min(p, 1 - p), over all layers
  double soft_mass = 0.0;           ///< k: soft mass per token, over all layers
  double budget_error_ratio = 0.0;  ///< (C - B) / B of the same step
};

/// The closed loop moves alpha by at most this share per step, and only while the budget error is
/// below `kMaxBudgetErrorToMove`: two loops that move at once would chase each other.
inline constexpr double kMaxAlphaMove = 0.005;
inline constexpr double kMaxBudgetErrorToMove = 0.02;

/// The temperature in force at `step`.
///
/// Constant and cosine depend on `step` alone. The closed loop takes
/// log alpha <- log alpha - 0.05 (W/k - target(step)), bounded as above; it waits while W/k > 0.98,
/// where every p is below 1/2 and W says nothing about alpha.
///
/// @param alpha the temperature decided last.
/// @param seen  what the last usable record showed; finite, soft_mass > 0.
[[nodiscard]] double next_alpha(const Temperature& schedule, Step step, double alpha,
                                const Softness& seen);

/// The temperature with nothing seen yet: the schedule's own value, or `start` of the closed loop.
[[nodiscard]] double planned_alpha(const Temperature& schedule, Step step);

/// In words what makes the schedule unusable, or nothing.
[[nodiscard]] std::optional<std::string> find_fault(const Temperature& schedule);

}  // namespace softmoe::budget
