#pragma once

// The only place that names what Prometheus reads of a run as a whole; layer_metrics.h and
// expert_metrics.h name what it reads of layers and experts.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/metrics/registry.h"
#include "training/evaluation.h"
#include "training/expert_metrics.h"
#include "training/layer_metrics.h"
#include "training/metrics_config.h"
#include "training/metrics_size.h"
#include "training/moving_score.h"
#include "training/telemetry.h"

namespace softmoe::training {

/// What a run is busy with.
enum class RunState : std::uint8_t { init, train, evaluate, save, drain, done };
inline constexpr int kNumRunStates = 6;

/// What does not change while a run lasts.
struct RunFacts {
  std::string version;
  std::string config_hash;
  int world = 1;
  int expert_parallel = 1;
  std::string precision;
  std::string backend;
  std::int64_t sequences_per_step = 0;
};

/// The families of docs/metrics.md that rank 0 alone serves. Every series is made by the
/// constructor; after that nothing is allocated.
class RunMetrics {
 public:
  struct Parts {
    metrics::Registry& registry;  ///< outlives this object
    const MetricsConfig& config;
    MetricsShape shape;
    RunFacts facts;
    RateContext rates;     ///< steps and peak_flops are read
    double unix_time = 0;  ///< of the start
  };

  explicit RunMetrics(const Parts& parts);

  /// A step has ended. @param unix_time  when
  void observe(const StepResult& result, const RateContext& context, double unix_time);
  void observe(const Evaluation& evaluation);
  void enter(RunState state);
  /// No step follows: publishes the loads that are still to be.
  void finish(double unix_time);

  [[nodiscard]] ExpertDetail detail() const { return detail_; }

 private:
  struct Progress {
    metrics::Gauge step;
    metrics::Counter steps;
    metrics::Counter skipped;
    metrics::Counter tokens;
    metrics::Gauge last_step_time;
    metrics::Gauge end_time;
    metrics::Gauge data_position;
    metrics::Histogram duration;
  };
  struct Throughput {
    metrics::Gauge tokens_per_second;
    metrics::Counter flops;
    metrics::Gauge mfu;
  };
  struct Optimisation {
    metrics::Gauge cross_entropy;
    metrics::Gauge balance;
    metrics::Gauge total;
    metrics::Gauge evaluation;
    metrics::Gauge norm_raw;
    metrics::Gauge norm_clipped;
    metrics::Counter clipped;
    metrics::Gauge rate_matrix;
    metrics::Gauge rate_router;
    metrics::Gauge rate_layer_means;
    metrics::Gauge loss_score;
    metrics::Gauge norm_score;
  };
  struct Budget {
    metrics::Gauge target;
    metrics::Gauge used;
    metrics::Gauge used_ratio;
    metrics::Counter violations;
    metrics::Gauge lambda;
    metrics::Gauge revision;
    metrics::Gauge alpha;
    std::array<metrics::Gauge, 3> modes;  ///< by budget::Mode
  };

  static Progress make_progress(metrics::Registry& registry);
  static Throughput make_throughput(metrics::Registry& registry);
  static Optimisation make_optimisation(metrics::Registry& registry);
  static Budget make_budget(metrics::Registry& registry);
  void tell_facts(const Parts& parts);
  void observe_progress(const StepResult& result, const RateContext& context, double unix_time);
  void observe_optimisation(const StepResult& result);
  void observe_budget(const StepResult& result, const RateContext& context);

  ExpertDetail detail_;
  std::int64_t sequences_per_step_;
  Progress progress_;
  Throughput throughput_;
  Optimisation optimisation_;
  Budget budget_;
  std::vector<metrics::Gauge> states_;  ///< by RunState
  RunState state_ = RunState::init;
  LayerMetrics layers_;
  ExpertMetrics experts_;
  MovingScore loss_score_;
  MovingScore norm_score_;
};

}  // namespace softmoe::training
