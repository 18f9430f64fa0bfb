#pragma once

// Whether a run fits into a rank's memory, and what would make it fit.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/plan/run_estimate.h"

namespace softmoe::launcher {

/// The largest item of an estimate, for messages.
struct MemoryItem {
  std::string_view name;
  std::int64_t bytes = 0;
};
[[nodiscard]] MemoryItem largest_item(const MemoryEstimate& memory);

/// What a rank has.
struct MemoryLimit {
  std::optional<std::int64_t> bytes;  ///< --memory-per-rank; nothing: nobody said
  std::int64_t program = 0;           ///< what the program and its libraries take of it
};

/// The largest parallel.max_received_rows below the rows that are received with which the run fits;
/// nothing if none is needed, or not even one row at a time fits.
[[nodiscard]] std::optional<std::int64_t> largest_bound_that_fits(const RunConfig& config,
                                                                  const EstimateBasis& basis,
                                                                  const MemoryLimit& limit);

/// In words why the run cannot fit, with the largest item and the nearest changes that do, or
/// nothing. The arenas' own limit, runtime.arena_bytes, is looked at too.
[[nodiscard]] std::optional<std::string> refuse_memory(const RunConfig& config,
                                                       const EstimateBasis& basis,
                                                       const MemoryLimit& limit);

/// "16GiB", "900MB", "1.5 GiB", or a number of bytes.
/// @throws InvalidArgument saying what is understood
[[nodiscard]] std::int64_t parse_bytes(std::string_view text);
/// "12.3 MiB".
[[nodiscard]] std::string bytes_text(double bytes);

}  // namespace softmoe::launcher
