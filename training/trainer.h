#pragma once

// The step: lanes through the model, sums over ranks, one update. Letters: W ranks of the world.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/adamw_optimizer.h"
#include "model/transformer.h"
#include "parallel/exact_sums.h"
#include "parallel/flat_shards.h"
#include "parallel/topology.h"
#include "training/data/sequence_order.h"
#include "training/data/token_source.h"
#include "training/governor.h"
#include "training/lane_loader.h"
#include "training/lane_quotas.h"
#include "training/step_result.h"
#include "training/training_config.h"

namespace softmoe::training {

/// Trains a model on this rank as one of W. Every rank makes the same calls.
class Trainer {
 public:
  /// All of it outlives the trainer.
  struct Parts {
    const TrainingConfig& config;
    const model::OptimizerConfig& optimizer;
    model::Transformer& model;
    parallel::Groups& groups;
    const TokenSource& source;  ///< training tokens
    Workspace& work;
    Governor* governor = nullptr;  ///< on rank 0, null elsewhere
    Step first_step = Step(0);     ///< where a saved run goes on
  };

  explicit Trainer(const Parts& parts);

  /// Runs one step under the word that rank 0 decides.
  ///
  /// In this order, whatever W and P (and with the same bits, if the model's gradients are exact):
  /// every lane's gradients are sums over its tokens; they are summed over ranks; divided once by
  /// the global number of tokens; the norm is taken over owned elements; clipped; and each owner
  /// updates its range.
  ///
  /// Under the budget mode quota every lane runs exactly the rows that LaneQuotas gives it, so the
  /// record's executed rows are the quota of the step; a run that cannot have quotas says so in
  /// record_refused of every step.
  /// Once the first two steps have taken what they need, a step allocates nothing.
  /// @param requests bits of budget::Request that this process asks for; read on rank 0
  /// @return what the step did, valid until the next one
  const StepResult& step(std::uint32_t requests);

  /// The step that step() will run next.
  [[nodiscard]] Step next_step() const { return next_step_; }

  /// Called after the sums over ranks and before the update: gradients are sums over all tokens in
  /// the owned ranges. For tests that compare layouts.
  using GradientProbe =
      std::function<void(const parallel::FlatShards& dense, const parallel::FlatShards& expert)>;
  void set_gradient_probe(GradientProbe probe) { gradient_probe_ = std::move(probe); }

  /// Replay: the experts that the tokens of `lane` run in the step to come, one plan per MoE layer
  /// as model::StepContext::given takes them, in place of the router's choice. Plans live until the
  /// step has ended. For measurements and tests.
  using GivenPlans = std::function<std::span<const router::RoutePlan>(int lane)>;
  void set_given_plans(GivenPlans plans) { given_plans_ = std::move(plans); }

 private:
  /// Sums of the step over all ranks, on the host.
  struct GlobalSums {
    std::span<const std::int64_t> counts;  ///< as RoutingState::counts
    std::span<const double> sums;          ///< as RoutingState::sums
    double loss = 0;
    double gradient_square = 0;
    std::int64_t tokens = 0;
  };

  [[nodiscard]] budget::ControlWord agree_on_word(std::uint32_t requests);
  void run_lanes(const budget::ControlWord& word);
  void run_lane(int lane);
  void sum_gradients();
  [[nodiscard]] GlobalSums sum_over_ranks();
  /// The sums over ranks of scalars and routing sums, in place.
  void sum_numbers();
  /// Whether an exact gradient could not take a contribution, on whichever rank.
  [[nodiscard]] bool has_overflow();
  void update(const GlobalSums& global);
  void record(const budget::ControlWord& word, const GlobalSums& global);
  void observe();
  void follow_cuts();
  void measure_time(Progress::Clock::time_point begin);

  Parts parts_;
  SequenceOrder order_;
  LaneLoader loader_;
  LaneQuotas quotas_;
  parallel::FlatShards dense_;
  parallel::FlatShards expert_;
  model::AdamwOptimizer optimizer_;
  Step next_step_;
  StepResult result_;
  std::vector<std::int64_t> lane_sequences_;
  std::vector<double> cut_L_;
  bool has_quotas_ = false;                              ///< in the step that runs
  std::optional<Progress::Clock::time_point> last_end_;  ///< of the step before
  DeviceBuffer scalars_;  ///< f64: loss, squared norm of the gradient
  /// The scalars and routing sums of a model whose gradients are exact; empty else.
  std::optional<parallel::ExactSums> exact_;
  HostBuffer<std::int64_t> landed_counts_;
  HostBuffer<double> landed_sums_;
  HostBuffer<double> landed_scalars_;
  HostBuffer<std::int64_t> landed_overflow_;
  GradientProbe gradient_probe_;
  GivenPlans given_plans_;
};

}  // namespace softmoe::training
