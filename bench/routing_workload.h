#pragma once

// Made-up routing decisions of known skew, each a pure function of what it is for. Letters: T
// tokens of a micro-batch, E experts, P ranks, N rows.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::bench {

enum class Workload : std::uint8_t {
  balanced,          ///< W0: every expert equally many rows
  hot_experts,       ///< W1: an eighth of the experts, drawn by the seed, get half of the rows
  hot_rank,          ///< W2: the first rank's experts get half of what is not theirs in balance
  spread_heat,       ///< W3: one expert of every rank; together they get half of the rows
  ragged_sources,    ///< W4: tokens of rank p run experts in the ratio 2 p + 1, experts in balance
  idle_experts,      ///< W5: every fourth expert gets nothing, nor does the last rank of several
  rotating_hotspot,  ///< W6: as W1, but another eighth in every step
  burst,             ///< W7: balanced, and in every fourth step as W1
};
inline constexpr int kNumWorkloads = 8;

/// "W0" to "W7".
[[nodiscard]] std::string name_of(Workload workload);
[[nodiscard]] std::optional<Workload> workload_named(std::string_view name);

/// What a workload is asked for. Expert e lives on rank e / (E / P).
struct WorkloadCase {
  Workload workload = Workload::balanced;
  int num_ranks = 1;            ///< P, divides E
  std::int64_t num_tokens = 0;  ///< T of every rank
  int num_experts = 1;          ///< E
  double mean_experts = 1;      ///< per token, over all ranks
  std::uint64_t seed = 0;       ///< of the hot set, and with `batch` of who runs what
  std::int64_t step = 0;
  std::int64_t batch = 0;  ///< micro-batch of the step
};

/// The rows that tokens of `rank` have for each expert, [E]: the oracle.
/// @throws InvalidArgument if the ranks do not divide the experts; ConfigError, with the cure, if
/// so
///         many rows do not fit: no token runs an expert twice
[[nodiscard]] std::vector<std::int64_t> rows_per_expert(const WorkloadCase& of, int rank);
/// The same over the tokens of all ranks.
[[nodiscard]] std::vector<std::int64_t> rows_per_expert(const WorkloadCase& of);

/// Who runs what: token t runs the experts [row_begin_T1[t], row_begin_T1[t + 1]), rising.
struct TokenExperts {
  std::vector<std::int32_t> row_begin_T1;
  std::vector<std::int32_t> expert_N;
};

/// Choices of the tokens of `rank` that give exactly rows_per_expert(of, rank). Tokens run unequal
/// numbers of experts: up to a quarter of them one more than the others, as many one less.
[[nodiscard]] TokenExperts choose_experts(const WorkloadCase& of, int rank);

/// The same choices when expert e is called slot_E[e].
[[nodiscard]] TokenExperts relabelled(const TokenExperts& choices, std::span<const int> slot_E);

/// Largest load over mean load; 1 is balance.
struct Skew {
  double experts = 1;
  double ranks = 1;
};
/// @param load_E  rows of each expert over all ranks
[[nodiscard]] Skew skew_of(std::span<const std::int64_t> load_E, int num_ranks);

}  // namespace softmoe::bench
