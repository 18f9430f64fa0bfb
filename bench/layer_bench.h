#pragma once

// One MoE layer, forward and backward, under the routing workloads. Letters: P ranks.

#include <cstdint>
#include <functional>
#include <vector>

#include "bench/given_plans.h"
#include "bench/layer_rank.h"

namespace softmoe::bench {

/// What was measured under one workload. Seconds are of rank 0, from one barrier to the next.
struct LayerFigures {
  GivenRouting routing;
  std::vector<double> forward_seconds;
  std::vector<double> backward_seconds;
  std::vector<double> exchange_seconds;  ///< of the rows alone, to the experts
  std::int64_t rows = 0;                 ///< over all ranks
  std::int64_t most_bytes_sent = 0;      ///< by a rank in an exchange, its own experts included
  std::int64_t most_bytes_on_link = 0;   ///< to or from the other ranks, the larger; of a rank
  Skew skew;
  std::int64_t checked_elements = 0;
  std::int64_t wrong_elements = 0;
};

/// A rank of the bench. Every rank makes the same calls.
class LayerBench {
 public:
  /// @param config, ep, work  outlive this object
  LayerBench(const launcher::RunConfig& config, parallel::Communicator& ep, Workspace& work);

  /// @param repeats  at least 1, after one that is not measured
  /// @throws InternalError on a rank whose experts were not given exactly the rows of the oracle
  [[nodiscard]] LayerFigures measure(const GivenRouting& routing, int repeats);

 private:
  /// A workload as all ranks know it.
  struct Routed {
    TokenExperts choices;                ///< of this rank
    std::vector<std::int32_t> count_PE;  ///< rows of each rank for each expert, by the oracle
  };

  [[nodiscard]] Routed route(const GivenRouting& routing) const;
  void check_rows(const Routed& routed) const;
  void measure_exchange(const Routed& routed, int repeats, LayerFigures& figures);
  void check_numbers(const Routed& routed, LayerFigures& figures);
  [[nodiscard]] double seconds_between_barriers(const std::function<void()>& work);
  [[nodiscard]] std::vector<float> on_host(ConstTensorView rows);

  const launcher::RunConfig& config_;
  parallel::Communicator& ep_;
  Workspace& work_;
  LayerRank rank_;
};

}  // namespace softmoe::bench
