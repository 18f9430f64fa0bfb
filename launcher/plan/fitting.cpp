#include "launcher/plan/fitting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

constexpr int kMaxWorld = 1 << 16;

bool fits(const RunConfig& config, const EstimateBasis& basis, const MemoryLimit& limit) {
  const MemoryEstimate memory = estimate_memory(config, basis);
  return memory.total() + limit.program <= *limit.bytes;
}

/// The same results, for about a third more work.
std::optional<std::string> recomputation(RunConfig config, const EstimateBasis& basis,
                                         const MemoryLimit& limit) {
  if (config.training.recompute == model::Recompute::block) return std::nullopt;
  config.training.recompute = model::Recompute::block;
  if (!fits(config, basis, limit)) return std::nullopt;
  return "training.recompute=block (the same results; backward runs most of forward again)";
}

std::optional<std::string> waves(const RunConfig& config, const EstimateBasis& basis,
                                 const MemoryLimit& limit) {
  const auto bound = largest_bound_that_fits(config, basis, limit);
  if (!bound) return std::nullopt;
  return fmt::format("parallel.max_received_rows={} (rows come in waves, and again in backward)",
                     *bound);
}

/// Lanes of half as many sequences and twice as many of them: the same tokens in a step.
std::optional<std::string> smaller_lanes(RunConfig config, const EstimateBasis& basis,
                                         const MemoryLimit& limit) {
  while (config.training.lane_sequences % 2 == 0) {
    config.training.lane_sequences /= 2;
    config.training.lanes *= 2;
    if (fits(config, basis, limit)) {
      return fmt::format("training.lane_sequences={} training.lanes={} (the same tokens a step)",
                         config.training.lane_sequences, config.training.lanes);
    }
  }
  return std::nullopt;
}

/// The most ranks that the experts can be spread over in such a world.
int widest_group(int world, int num_experts) {
  int widest = 1;
  for (int ranks = 1; ranks <= std::min(world, num_experts); ++ranks) {
    if (world % ranks == 0 && num_experts % ranks == 0) widest = ranks;
  }
  return widest;
}

std::optional<std::string> more_ranks(RunConfig config, EstimateBasis basis,
                                      const MemoryLimit& limit) {
  while (basis.world <= kMaxWorld / 2) {
    basis.world *= 2;
    const int ranks = widest_group(basis.world, config.model.experts.num_experts);
    config.parallel.expert_parallel = ranks;
    if (fits(config, basis, limit)) {
      return fmt::format("{} ranks with parallel.expert_parallel={}", basis.world, ranks);
    }
  }
  return std::nullopt;
}

std::optional<std::string> refuse_arenas(const RunConfig& config, const MemoryEstimate& memory) {
  const std::int64_t higher = std::max(memory.saved_arena, memory.scratch_arena);
  if (higher <= config.runtime.arena_bytes) return std::nullopt;
  return fmt::format(
      "the run does not fit: an arena of {} bytes is needed and runtime.arena_bytes is {}: raise "
      "it "
      "to {} (address space; only what is used costs memory), or make the lane smaller",
      higher, config.runtime.arena_bytes, higher + higher / 4);
}

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array<Unit, 12> kUnits = {{{"B", 1},
                                          {"KB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"KiB", 1024.0},
                                          {"MiB", 1048576.0},
                                          {"GiB", 1073741824.0},
                                          {"TiB", 1099511627776.0},
                                          {"", 1},
                                          {"M", 1048576.0},
                                          {"G", 1073741824.0}}};

}  // namespace

MemoryItem largest_item(const MemoryEstimate& memory) {
  const std::array<MemoryItem, 8> items = {{{"weights", memory.weights},
                                            {"gradients", memory.gradients},
                                            {"optimizer", memory.optimizer},
                                            {"saved activations", memory.saved},
                                            {"scratch", memory.scratch},
                                            {"exchange buffers", memory.exchange},
                                            {"data", memory.data},
                                            {"results", memory.results}}};
  return *std::max_element(
      items.begin(), items.end(),
      [](const MemoryItem& a, const MemoryItem& b) { return a.bytes < b.bytes; });
}

std::optional<std::int64_t> largest_bound_that_fits(const RunConfig& config,
                                                    const EstimateBasis& basis,
                                                    const MemoryLimit& limit) {
  if (!limit.bytes || fits(config, basis, limit)) return std::nullopt;
  RunConfig bounded = config;
  const auto fits_with = [&](std::int64_t bound) {
    bounded.parallel.max_received_rows = bound;
    return fits(bounded, basis, limit);
  };
  // Fewer rows at once never take more.
  std::int64_t fitting = 0;
  std::int64_t too_many = estimate_receiving(config, basis).rows_at_once();
  while (too_many - fitting > 1) {
    const std::int64_t middle = fitting + (too_many - fitting) / 2;
    (fits_with(middle) ? fitting : too_many) = middle;
  }
  if (fitting == 0) return std::nullopt;
  return fitting;
}

std::optional<std::string> refuse_memory(const RunConfig& config, const EstimateBasis& basis,
                                         const MemoryLimit& limit) {
  const MemoryEstimate memory = estimate_memory(config, basis);
  if (!limit.bytes || memory.total() + limit.program <= *limit.bytes)
    return refuse_arenas(config, memory);
  const auto text = [](std::int64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
  std::vector<std::string> changes;
  for (auto& change : {recomputation(config, basis, limit), waves(config, basis, limit),
                       smaller_lanes(config, basis, limit), more_ranks(config, basis, limit)}) {
    if (change) changes.push_back(*change);
  }
  const MemoryItem largest = largest_item(memory);
  const std::string cure =
      changes.empty()
          ? "Neither recomputation, waves, smaller lanes nor more ranks are enough: make the model "
            "smaller"
          : fmt::format("The nearest changes that fit: {}", fmt::join(changes, "; or "));
  return fmt::format(
      "the run does not fit: a rank needs {} and has {} (--memory-per-rank); the most are {} with "
      "{}. {}",
      text(memory.total() + limit.program), text(*limit.bytes), largest.name, text(largest.bytes),
      cure);
}

std::int64_t parse_bytes(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto* const known = std::find_if(kUnits.begin(), kUnits.end(),
                                         [unit](const Unit& one) { return one.name == unit; });
  constexpr double kMost = 9e18;
  const bool is_fine = error == std::errc() && std::isfinite(number) && number > 0 &&
                       known != kUnits.end() && number * known->bytes < kMost;
  if (!is_fine) {
    throw InvalidArgument(
        fmt::format("'{}' is not an amount of memory: write it as 16GiB, 900MB or bytes", text));
  }
  return static_cast<std::int64_t>(number * known->bytes);
}

std::string bytes_text(double bytes) {
  constexpr std::array<std::string_view, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kNames.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kNames[unit]);
}

}  // namespace softmoe::launcher
