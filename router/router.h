#pragma once

// Letters: T tokens, E experts, N rows, L layers.

#include <cstdint>
#include <optional>
#include <string>

#include "router/route_plan.h"
#include "router/route_statistics.h"
#include "router/router_config.h"
#include "runtime/device/workspace.h"

namespace softmoe::router {

/// What governs one layer in one step; equal on all ranks.
struct LayerSetting {
  int layer = 0;
  double k = 2.0;       ///< soft mass per token, in (0, E]
  double alpha = 1.0;   ///< temperature in force, score units
  double lambda = 0.0;  ///< shift of the truncation surface, in units of alpha
  View<const float>
      balance_E;  ///< c * E * f_e / A of the previous step, on the device; empty: no balance loss
  /// Rows that this micro-batch runs in this layer, exactly; unset: those above the surface. Then
  /// the surface still stands where lambda puts it for what is measured (margins, floor and cap
  /// rates, density). From T * floor to T * expert_cap(); of one rank's tokens, not equal on all.
  std::optional<std::int64_t> quota = std::nullopt;
};

/// Whose tokens these are, for what is random or hashed per token.
struct TokenIdentity {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  std::int64_t first_token = 0;         ///< global id of token 0; token t has first_token + t
  View<const std::int32_t> token_id_T;  ///< vocabulary ids, for hash routing
};

enum class RouteMode : std::uint8_t { training, inference };  ///< noise only in training

struct RouteArguments {
  ConstTensorView logits_TE;  ///< x * Wg^T, f32 (f64 in an f64 model)
  ConstTensorView gain;  ///< [1] learned gain of the layer; read only with normalisation `token`
  LayerSetting setting;
  TokenIdentity tokens;
  RouteMode mode = RouteMode::training;
  /// Replay: run exactly these experts (gates are still computed from the scores). Finite
  /// differences and recomputation use it; row_begin_T1 and expert_N must be given.
  const RoutePlan* given = nullptr;
};

/// Routes one micro-batch of one layer.
///
/// kind softmoe: LapSum soft top-k (algorithms: F((r - b)/alpha) summing to k), then the truncation
/// in score units, active iff r > b + alpha (F^-1(tau0) + lambda), at most ceil(k cap_factor -
/// 1e-6) experts, at least `floor`, ties by expert index; gates as config.gate says. kind top_k and
/// hash fill the same plan.
///
/// With a quota every token keeps its best `floor` experts, and what remains of the quota goes to
/// the best (token, expert) pairs of the whole micro-batch by (r - b) / alpha, none beyond its
/// token's cap. Gates and gradients are as without: the mask is a constant. The cut between pairs
/// chosen and left out is summed in the statistics.
///
/// Nothing waits for the device and nothing is allocated on the heap: the arrays of the plan have
/// room for T * expert_cap() rows (replay: the room of the given plan).
///
/// @param statistics  sums over the tokens are added (device). The balance loss in force is
///                    sum_e balance_E[e] softmax(scores)_te
/// @param work.saved  receives the plan and what backward needs: about T (12 E + 8 cap) bytes in
/// f32;
///                    route_backward leaves them there. work.scratch is released
/// @throws InvalidArgument naming the values and limits if arguments do not fit each other.
[[nodiscard]] RoutePlan route(const RouterConfig& config, const RouteArguments& arguments,
                              const RouteStatistics& statistics, Workspace& work);

struct RouteBackwardArguments {
  const RoutePlan& plan;
  RouteArguments forward;    ///< as in the forward call
  ConstTensorView d_gate_N;  ///< [>= N] gradient of each row's gate, in the order of the plan
  TensorView d_logits_TE;    ///< overwritten; holds the balance and z gradients too
  TensorView d_gain;         ///< [1], added to; read only with normalisation `token`
  TensorView d_k;            ///< [1], f64, added to: the gradient of this layer's k
};

/// The vector-Jacobian product of route(), masks held constant: logits of inactive experts still
/// get gradient through b. Switch balance loss (variable-k form: sum over tokens of sum_e balance_e
/// * softmax(scores)_te) and z-loss add theirs. Their softmax sees the scores as LapSum saw them,
/// so their gradient passes through gain and normalisation like LapSum's. Kind `hash`: d_logits is
/// 0.
void route_backward(const RouterConfig& config, const RouteBackwardArguments& arguments,
                    Workspace& work);

/// In words why a budget cannot be split into quotas under this router, with the cure, or nothing.
/// Kinds top_k and hash run a fixed number; gate relu subtracts a threshold that the quota does not
/// know before the choice.
[[nodiscard]] std::optional<std::string> quota_fault(const RouterConfig& config);

/// The most experts a token may run in a layer of soft mass k.
[[nodiscard]] int expert_cap(const RouterConfig& config, double k, int num_experts);

}  // namespace softmoe::router
