#pragma once

// Letters: L MoE layers, S positions of a sequence.

#include <cstdint>
#include <optional>
#include <vector>

#include "model/transformer.h"
#include "parallel/communicator.h"
#include "parallel/exact_sums.h"
#include "training/lane_loader.h"

namespace softmoe::training {

/// How well a model predicts text that it was not trained on, and what it ran for that. Equal on
/// all ranks.
struct Evaluation {
  std::int64_t sequences = 0;
  std::int64_t tokens = 0;                  ///< predicted ones: sequences * S
  double loss = 0;                          ///< cross-entropy per token, nats
  std::vector<double> experts_per_token_L;  ///< rows that experts ran, per token
  std::vector<double> soft_mass_L;          ///< k_l, what LapSum distributed per token

  [[nodiscard]] double perplexity() const;
  /// Over all layers: what a budget is compared with.
  [[nodiscard]] double experts_per_token() const;
};

/// Measures a model over the first sequences of a source. Keeps its buffers between evaluations.
///
/// Sequences are dealt to the ranks of the world a lane at a time; all ranks take part in every
/// round, without tokens where none are left. The mean is over tokens, so it does not depend on the
/// number of ranks but for the order of rounding.
class Evaluator {
 public:
  /// All of it outlives the evaluator.
  struct Parts {
    model::Transformer& model;
    parallel::Communicator& world;
    const TokenSource& source;
    Workspace& work;  ///< its arenas hold the activations of one lane
    int lane_sequences = 1;
    std::uint64_t seed = 0;  ///< of the run that trained the model: hash routing reads it
  };

  explicit Evaluator(const Parts& parts);

  /// Every rank of the world makes the call, with the same arguments.
  ///
  /// Routing is that of inference, under `control` as given: nothing reaches a controller. Weights,
  /// gradients and the optimizer stay as they are; routing's settings and statistics are those of
  /// the evaluation afterwards, until the next begin_step().
  ///
  /// @param max_sequences  the first so many of the source, or all that it has
  /// @throws InvalidArgument if max_sequences is below 1
  [[nodiscard]] Evaluation evaluate(const model::RoutingControl& control,
                                    std::optional<std::int64_t> max_sequences);

 private:
  void add_lane(std::int64_t lane, std::int64_t num_sequences);
  [[nodiscard]] Evaluation sum_over_ranks();

  Parts parts_;
  LaneLoader loader_;
  DeviceBuffer loss_sum_;                     ///< f64 [1]
  std::optional<parallel::ExactSums> exact_;  ///< of it, in a model whose gradients are exact
  std::vector<std::int64_t> lane_;
  HostBuffer<double> landed_loss_;
  HostBuffer<std::int64_t> landed_counts_;
};

}  // namespace softmoe::training
