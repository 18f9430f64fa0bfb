#pragma once

// What a run took of memory, beside its plan.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "launcher/plan/run_estimate.h"
#include "parallel/communicator.h"
#include "runtime/device/workspace.h"

namespace softmoe::launcher {

/// The most that a rank held, in bytes.
struct RankMemory {
  std::int64_t own = 0;      ///< resident pages of no file, and not shared between ranks
  std::int64_t program = 0;  ///< of these before the model was built
  std::int64_t saved = 0;    ///< of the arenas
  std::int64_t scratch = 0;
};

/// Resident pages of this process that are of no file and not shared: what the program takes by
/// itself, if nothing is built yet.
[[nodiscard]] std::int64_t program_bytes();

/// Of every rank so far, by rank, on every rank. Collective.
/// @param program  program_bytes() of this rank before the model was built
[[nodiscard]] std::vector<RankMemory> memory_of_ranks(std::int64_t program,
                                                      parallel::Communicator& world,
                                                      Workspace& work);

/// The plan of a rank: that of rank 0, which alone works on the results.
[[nodiscard]] RankMemory planned_memory(const MemoryEstimate& plan, std::int64_t program,
                                        Rank rank);

/// A line for each rank, or for the fullest where there are more than eight.
[[nodiscard]] std::string memory_text(const MemoryEstimate& plan,
                                      std::span<const RankMemory> memory_W);

/// {"memory": {...}}: what rank 0 took, what the plan says of it, and the arenas of all ranks.
[[nodiscard]] std::string memory_json(const MemoryEstimate& plan,
                                      std::span<const RankMemory> memory_W);

}  // namespace softmoe::launcher
