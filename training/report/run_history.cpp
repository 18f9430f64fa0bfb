#include "training/report/run_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/report/event_lines.h"
#include "training/report/metrics_lines.h"

namespace softmoe::training {

namespace {

constexpr std::int64_t kMaxConfigBytes = std::int64_t{4} << 20;

// Buckets of the median: 0.5 % wide.
const double kBucket = std::log(1.005);

StorageError missing(const std::string& message) {
  return {StorageError::Kind::missing, message};
}

/// Reads a file of the folder that the page can do without.
template <class Read>
void read_if_there(storage::FileSystem& files, const storage::Path& path, const char* loses,
                   RunHistory& history, const Read& read) {
  if (files.exists(path)) {
    read();
  } else {
    history.remarks.push_back(fmt::format("{} is missing: {}. Copy the whole run folder.",
                                          path.filename().string(), loses));
  }
}

std::vector<double> ratios_to_mean(std::vector<double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (double& value : values) value = mean > 0 ? value / mean : std::nan("");
  return values;
}

}  // namespace

void RoughMedian::add(double value) {
  if (!(value > 0) || !std::isfinite(value)) return;
  const auto bucket = static_cast<int>(std::floor(std::log(value) / kBucket));
  const auto place = std::lower_bound(
      counts_.begin(), counts_.end(), bucket,
      [](const std::pair<int, std::int64_t>& entry, int key) { return entry.first < key; });
  if (place != counts_.end() && place->first == bucket) {
    ++place->second;
  } else {
    counts_.insert(place, {bucket, 1});
  }
  ++total_;
}

std::optional<double> RoughMedian::value() const {
  std::int64_t below = 0;
  for (const auto& [bucket, count] : counts_) {
    below += count;
    if (2 * below >= total_) return std::exp((bucket + 0.5) * kBucket);
  }
  return std::nullopt;
}

RunHistory::Loads RunHistory::load_ratios() const {
  if (last_loads.empty()) return {};
  Loads sums = last_loads.back();
  for (std::size_t step = 0; step + 1 < last_loads.size(); ++step) {
    for (std::size_t layer = 0; layer < sums.size(); ++layer) {
      const std::vector<double>& loads = last_loads[step][layer];
      const std::size_t experts = std::min(loads.size(), sums[layer].size());
      for (std::size_t expert = 0; expert < experts; ++expert) sums[layer][expert] += loads[expert];
    }
  }
  for (std::vector<double>& layer : sums) layer = ratios_to_mean(std::move(layer));
  return sums;
}

RunHistory read_run_history(storage::FileSystem& files, const storage::Path& run) {
  if (!files.is_directory(run)) {
    throw missing(fmt::format(
        "there is no run folder '{}': name the folder that `softmoe train` printed as `run folder`",
        run.string()));
  }
  const storage::Path metrics = run / "metrics.jsonl";
  if (!files.exists(metrics)) {
    throw missing(fmt::format(
        "'{}' is no run folder: it has no metrics.jsonl. Name the folder that `softmoe train` "
        "printed as `run folder`",
        run.string()));
  }
  RunHistory history;
  read_metrics(files, metrics, history);
  const storage::Path events = run / "events.jsonl";
  read_if_there(files, events, "validation losses, times and the end of the run are not known",
                history, [&] { read_events(files, events, history); });
  const storage::Path control = run / "control.jsonl";
  read_if_there(files, control, "changes of set-points are not marked", history,
                [&] { read_set_points(files, control, history); });
  const storage::Path config = run / "config.yaml";
  read_if_there(files, config, "parameters and planned steps are not known", history,
                [&] { history.config_yaml = storage::read_text(files, config, kMaxConfigBytes); });
  return history;
}

}  // namespace softmoe::training
