#pragma once

// What one step really did, summed over all ranks. Letters: L layers.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "budget/control_word.h"
#include "runtime/base/strong.h"

namespace softmoe::budget {

/// The realised compute of one training step. The counts are exact integers, so they are the same
/// for every order of summation and every number of ranks. Evaluation steps make no record.
struct StepRecord {
  ControlWord in_force = {};  ///< the word that the step ran under, its step included
  std::int64_t tokens = 0;    ///< of all ranks and lanes
  std::vector<std::int64_t> executed_L = {};  ///< rows that experts ran, of all ranks and lanes
  /// g_l = alpha rho_l, per token: rho_l is the density of router scores at the truncation surface
  /// theta = b + alpha (F^-1(tau0) + lambda). It is the gain of the loop,
  ///
  ///     d E[N_l] / d lambda = -alpha rho_l = -g_l,
  ///
  /// estimated as #{|r - theta| <= h} alpha / (2 h T); with h = alpha / 4 that is twice the scores
  /// near the surface per token, an exact count as well. Floors and caps hold some counts fast, so
  /// the true gain is at most this.
  std::vector<double> gain_L = {};
  /// W_l, per token: the mean of the sum over experts of min(p, 1 - p).
  std::vector<double> boundary_mass_L = {};
  /// k_l, per token: the soft mass that LapSum was asked to distribute.
  std::vector<double> soft_mass_L = {};

  [[nodiscard]] Step step() const { return in_force.step; }
};

/// The sizes that the records of a run must have.
struct RecordShape {
  int num_layers = 0;
  int num_experts = 0;
};

/// The sum over layers of cost times rows executed, per token.
/// @param layer_cost_L [L], or empty for a cost of 1 each. The record has no fault.
[[nodiscard]] double used_per_token(const StepRecord& record, std::span<const double> layer_cost_L);

/// The loop gain of all layers: sum of cost times g_l.
[[nodiscard]] double gain_per_token(const StepRecord& record, std::span<const double> layer_cost_L);

/// In words what makes the record unusable, or nothing: no tokens, negative counts, unequal
/// lengths, numbers that are not finite or out of their range.
[[nodiscard]] std::optional<std::string> find_fault(const StepRecord& record);

/// The same, for a record from outside: also its sizes, and no more rows than tokens times experts.
[[nodiscard]] std::optional<std::string> find_fault(const StepRecord& record,
                                                    const RecordShape& shape);

}  // namespace softmoe::budget
