#pragma once

// What one step is run under. Rank 0 broadcasts it as bytes at the start of every step, and it is
// the only way in which anything outside the data changes a step.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "runtime/base/strong.h"

namespace softmoe::budget {

/// Who holds the budget. Values travel: append, never renumber.
enum class Mode : std::uint32_t {
  off = 0,    ///< lambda stays where it is; the compute drifts with the router
  servo = 1,  ///< lambda follows the realised compute of earlier steps
  quota = 2,  ///< the integer budget is split before the step and held exactly (quota.h)
};

[[nodiscard]] constexpr std::string_view name_of(Mode mode) {
  switch (mode) {
    case Mode::off:
      return "off";
    case Mode::servo:
      return "servo";
    case Mode::quota:
      return "quota";
  }
  return "?";
}

/// What all ranks do together at the end of the step. Values are bits and travel.
enum class Request : std::uint32_t {
  save = 1,   ///< write a checkpoint after this step
  drain = 2,  ///< finish this step, save, and leave so that a restart resumes
  stop = 4,   ///< finish this step and leave; training is over
};

[[nodiscard]] constexpr std::string_view name_of(Request request) {
  switch (request) {
    case Request::save:
      return "save";
    case Request::drain:
      return "drain";
    case Request::stop:
      return "stop";
  }
  return "?";
}

/// One step's orders: 56 bytes of one fixed layout, no padding, host byte order (all ranks run one
/// binary on one architecture).
struct ControlWord {
  Step step = {};             ///< the step these orders are for
  std::int64_t revision = 0;  ///< of the set-points they were derived from
  std::int64_t term = 0;      ///< fencing term of whoever owns the set-points; 0: nobody outside
  double lambda = 0.0;  ///< active iff r > b + alpha (F^-1(tau0) + lambda): more is fewer rows
  double alpha = 1.0;   ///< temperature of LapSum
  double budget = 0.0;  ///< B: cost of executed rows per token, summed over layers
  Mode mode = Mode::off;
  std::uint32_t requests = 0;  ///< bits of Request

  [[nodiscard]] constexpr bool has(Request request) const {
    return (requests & static_cast<std::uint32_t>(request)) != 0;
  }
  /// The same word with one request more.
  [[nodiscard]] constexpr ControlWord with(Request request) const {
    ControlWord word = *this;
    word.requests |= static_cast<std::uint32_t>(request);
    return word;
  }
  friend bool operator==(const ControlWord&, const ControlWord&) = default;
};

static_assert(std::is_trivially_copyable_v<ControlWord> && std::is_standard_layout_v<ControlWord>);
static_assert(sizeof(ControlWord) == 56 && alignof(ControlWord) == 8);
static_assert(offsetof(ControlWord, step) == 0 && offsetof(ControlWord, revision) == 8 &&
              offsetof(ControlWord, term) == 16 && offsetof(ControlWord, lambda) == 24 &&
              offsetof(ControlWord, alpha) == 32 && offsetof(ControlWord, budget) == 40 &&
              offsetof(ControlWord, mode) == 48 && offsetof(ControlWord, requests) == 52);

}  // namespace softmoe::budget
