#pragma once

// What a run was run under, written down: from this log alone the same run can be made again.
// Lines of JSON; numbers read back as the same bits.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "budget/budget_link.h"
#include "budget/control_word.h"
#include "budget/set_points.h"

namespace softmoe::budget {

/// {"word": {"step": 7, "revision": 0, ...}}
[[nodiscard]] std::string line_of(const ControlWord& word);
/// {"set_points": {"from": 300, "revision": 2, ...}}, `from` the step at which they took effect.
[[nodiscard]] std::string line_of(const SetPointChange& change);

struct ControlLog {
  std::vector<SetPointChange> changes;  ///< the initial set-points first, ascending
  std::vector<ControlWord> words;       ///< ascending in step, without gaps
};

/// @param name of the file, for messages
/// @throws StorageError bad_format naming file and line if it is no such log. A last line that a
///         killed run left half-written is not read.
[[nodiscard]] ControlLog parse_control_log(std::string_view text, const std::string& name);

/// Writes every word that a step ran under, and before it the set-points when they are others than
/// the step before had, and hands all on to the line behind it.
class LoggedLink final : public BudgetLink {
 public:
  using Sink = std::function<void(const std::string& line)>;

  /// @param inner outlives this object
  LoggedLink(BudgetLink& inner, Sink sink) : inner_(&inner), sink_(std::move(sink)) {}

  void submit(const StepReport& report) override;
  [[nodiscard]] LinkNews poll() override { return inner_->poll(); }

 private:
  BudgetLink* inner_;
  Sink sink_;
  std::optional<std::int64_t> logged_revision_;
};

/// The line of a run that repeats a logged one: it brings the changes when they took effect, and
/// compares every word with the log's.
class ReplayLink final : public BudgetLink {
 public:
  explicit ReplayLink(ControlLog log) : log_(std::move(log)) {}

  void submit(const StepReport& report) override;
  [[nodiscard]] LinkNews poll() override;

  /// The first step whose word was another than logged, with both in words; requests (a save, a
  /// drain) are not compared. Steps that the log does not hold are free.
  [[nodiscard]] const std::optional<std::string>& difference() const { return difference_; }

 private:
  ControlLog log_;
  bool told_ = false;
  std::optional<std::string> difference_;
};

}  // namespace softmoe::budget
