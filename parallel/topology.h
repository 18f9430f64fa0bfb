#pragma once

// World rank r = replica * P + p, with p the place in the expert-parallel group: a group of P
// neighbouring ranks holds every expert once, R = W / P groups hold replicas.

#include <memory>

#include "parallel/communicator.h"

namespace softmoe::parallel {

struct Topology {
  int world = 1;            ///< W
  int expert_parallel = 1;  ///< P, divides W
  Rank rank{0};             ///< in the world

  [[nodiscard]] int replicas() const { return world / expert_parallel; }             ///< R
  [[nodiscard]] Rank ep_rank() const { return Rank(rank.value % expert_parallel); }  ///< p
  [[nodiscard]] Rank replica() const { return Rank(rank.value / expert_parallel); }
};

/// @throws ConfigError naming the nearest valid values if P does not divide W or the rank is
/// outside.
[[nodiscard]] Topology make_topology(Rank rank, int world, int expert_parallel);

/// The communicators of one rank.
struct Groups {
  Topology topology;
  Communicator& world;                ///< dense parameters; control words and records
  std::unique_ptr<Communicator> ep;   ///< [P] exchange of rows
  std::unique_ptr<Communicator> edp;  ///< [R] expert gradients and expert optimizer shards
};

/// Collective over `world`. `world` must outlive the result.
[[nodiscard]] Groups make_groups(Communicator& world, int expert_parallel);

}  // namespace softmoe::parallel
