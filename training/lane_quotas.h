#pragma once

// The budget mode quota on one rank: every lane's rows, settled before the step. Letters: L layers
// with experts, T tokens of a step over all lanes.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "budget/control_word.h"
#include "budget/quota.h"
#include "model/model_config.h"
#include "parallel/communicator.h"
#include "training/governor.h"

namespace softmoe::training {

/// Splits the budget of a step into rows per layer and lane. Every rank computes the same split
/// from the control word, the learned means, and the layers' costs and bounds. Of these only the
/// last come from rank 0: it alone knows the set-points.
class LaneQuotas {
 public:
  /// What does not change in a run.
  struct Run {
    const model::ModelConfig& model;  ///< outlives the object
    int lanes = 1;
    std::int64_t tokens = 0;  ///< T; all lanes have equally many
  };

  explicit LaneQuotas(const Run& run);

  /// In words why this run cannot have quotas, with the cure, or nothing. A word that asks for them
  /// nevertheless is run as if the mode were off.
  [[nodiscard]] const std::optional<std::string>& fault() const { return fault_; }
  /// Whether a step under `word` has quotas.
  [[nodiscard]] bool apply_to(const budget::ControlWord& word) const {
    return word.mode == budget::Mode::quota && !fault_;
  }

  /// Brings the layers' costs and bounds to all ranks if they may have changed: 3 L numbers, right
  /// after the first word of a revision that has quotas. Collective, for every such word. Lists
  /// that are not of L numbers count as empty; the controller refuses the records under them.
  /// @param governor  on rank 0, null elsewhere
  void agree_on_bounds(const budget::ControlWord& word, const Governor* governor,
                       parallel::Communicator& world, Stream& exchange);

  /// Splits the step's budget over the layers. @param mean_L k_l, equal on all ranks
  void begin_step(const budget::ControlWord& word, std::span<const double> mean_L);

  /// [L] rows that a lane runs in each layer, valid until the next call; zeros beyond the last
  /// lane.
  [[nodiscard]] std::span<const std::int64_t> of_lane(int lane);

 private:
  [[nodiscard]] std::size_t num_layers() const { return cap_L_.size(); }
  [[nodiscard]] std::span<double> part(std::size_t index) {
    return std::span(bounds_3L_).subspan(index * num_layers(), num_layers());
  }
  void read_bounds(const budget::SetPoints& set_points);

  Run run_;
  std::optional<std::string> fault_;
  std::optional<std::int64_t> revision_;  ///< that the bounds are of
  std::vector<double> bounds_3L_;         ///< costs, least, most
  std::vector<int> cap_L_;
  Step step_ = {};
  budget::QuotaSplit split_;
  std::vector<std::int64_t> lane_rows_L_;
};

}  // namespace softmoe::training
