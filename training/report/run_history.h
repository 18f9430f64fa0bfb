#pragma once

// What a run folder tells, in bounded memory: curves of at most Curve::kMaxBins bins, the loads of
// the last steps, the first and the last events.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/storage/file_system.h"
#include "training/report/curve.h"

namespace softmoe::training {

/// The curves of one MoE layer.
struct LayerHistory {
  static constexpr std::size_t kMaxBins = 512;  ///< there may be many layers

  Curve k{kMaxBins};
  Curve experts_per_token{kMaxBins};
  Curve boundary_mass{kMaxBins};
  Curve margin_median{kMaxBins};
  Curve imbalance{kMaxBins};
  Curve dead_experts{kMaxBins};
};

/// The first and the last of many.
template <class Item>
class Ends {
 public:
  static constexpr std::size_t kEach = 100;

  void add(Item item) {
    if (first_.size() < kEach) {
      first_.push_back(std::move(item));
      return;
    }
    last_.push_back(std::move(item));
    if (last_.size() > kEach) {
      last_.pop_front();
      ++left_out_;
    }
  }

  [[nodiscard]] std::vector<Item> items() const {
    std::vector<Item> all = first_;
    all.insert(all.end(), last_.begin(), last_.end());
    return all;
  }
  /// Items between the first and the last ones.
  [[nodiscard]] std::int64_t left_out() const { return left_out_; }

 private:
  std::vector<Item> first_;
  std::deque<Item> last_;
  std::int64_t left_out_ = 0;
};

/// Something that happened.
struct RunEvent {
  std::int64_t step = 0;
  std::string time;  ///< UTC; empty where the log has none
  std::string name;
  std::string details;  ///< in words
};

/// The median of many positive numbers, to half a percent.
class RoughMedian {
 public:
  void add(double value);
  /// Nothing before the first positive, finite value.
  [[nodiscard]] std::optional<double> value() const;

 private:
  std::vector<std::pair<int, std::int64_t>> counts_;  ///< bucket, ascending, and its count
  std::int64_t total_ = 0;
};

/// A run as far as its folder goes.
struct RunHistory {
  static constexpr std::size_t kLoadSteps = 20;  ///< steps that the loads at the end are of
  using Loads = std::vector<std::vector<double>>;

  std::int64_t num_steps = 0;  ///< lines of metrics.jsonl
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  std::int64_t tokens = 0;
  double seconds = 0;
  RoughMedian tokens_per_second_median;

  Curve loss, balance_loss, tokens_per_second, mfu_ratio, gradient_norm, clip_factor, learning_rate,
      budget_target, budget_used, lambda, alpha;
  std::vector<std::pair<std::string, Curve>> phases;  ///< seconds on rank 0, in the order of steps
  std::vector<LayerHistory> layers;
  std::deque<Loads> last_loads;  ///< [layer][expert] rows; newest last
  Curve skipped;                 ///< 1 where a step was skipped, else 0

  Curve validation;  ///< losses
  std::int64_t num_validations = 0;
  Ends<RunEvent> events;      ///< without evaluations
  Ends<RunEvent> set_points;  ///< changes, the first set-points not among them
  std::string first_set_points;
  std::optional<std::int64_t> ranks;
  std::string started;     ///< UTC
  std::string last_event;  ///< UTC
  std::string end;         ///< name of the event that ended the run: `done`, `drained`, or empty
  std::string config_yaml;
  std::vector<std::string> remarks;  ///< what is missing or half-written, for the reader

  /// Rows of each expert over the mean of its layer, over the last steps; a layer that got no rows
  /// has NaN.
  [[nodiscard]] Loads load_ratios() const;
};

/// Reads a run folder. A half-written last line, as a running or killed run leaves it, is left out.
/// @throws StorageError missing, with the cure, if there is no such folder or no metrics.jsonl in
///         it; bad_format, naming file and line, if a file is damaged.
[[nodiscard]] RunHistory read_run_history(storage::FileSystem& files, const storage::Path& run);

}  // namespace softmoe::training
