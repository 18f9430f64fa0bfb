#pragma once

// Named numbers that Prometheus reads. The one place that knows the library behind them.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace softmoe::metrics {

enum class Kind : std::uint8_t { counter, gauge, histogram };

/// What a family of series is: the line of docs/metrics.md, as code.
struct Family {
  std::string name;  ///< softmoe_<thing>_<unit>[_total]
  Kind kind = Kind::gauge;
  std::vector<std::string> labels;  ///< names, without those that the registry puts on every series
  std::string help;
  std::vector<double> bounds;  ///< of a histogram: ascending upper bounds, +Inf not among them
};

/// Values of a family's labels, in the order of Family::labels.
using LabelValues = std::vector<std::string>;
using Labels = std::vector<std::pair<std::string, std::string>>;

/// A number that only grows. Handles are cheap to copy and live as long as the registry.
class Counter {
 public:
  explicit Counter(prometheus::Counter& series) : series_(&series) {}
  /// Wait-free. @param amount  what is negative is not added
  void add(double amount);
  [[nodiscard]] double value() const;

 private:
  prometheus::Counter* series_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& series) : series_(&series) {}
  /// Wait-free.
  void set(double value);
  [[nodiscard]] double value() const;

 private:
  prometheus::Gauge* series_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& series) : series_(&series) {}
  void observe(double value);
  /// Many observations in one call. @param increments  [bounds + 1] observations per bucket
  void observe_many(const std::vector<double>& increments, double sum);

 private:
  prometheus::Histogram* series_;
};

/// Families and their series, and the page that Prometheus reads. Series are made once, before the
/// first step; updating one is an atomic store (a histogram's: a lock of its own, held for some
/// tens of nanoseconds). Safe for use by many threads.
class Registry {
 public:
  /// @param constant  labels of every series: {"run", ...}, and {"rank", ...} on a rank's own
  explicit Registry(Labels constant);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// The series of these values; made if there is none. A family that names one of the registry's
  /// own labels (the coordinator's, rank) gives it another value.
  /// @throws InvalidArgument if the number of values is not that of Family::labels, if a name is
  ///         none, or if the family was made before as something else
  Counter counter(const Family& family, const LabelValues& values = {});
  Gauge gauge(const Family& family, const LabelValues& values = {});
  Histogram histogram(const Family& family, const LabelValues& values = {});

  /// Lines of the page that are numbers: 1 for a counter or gauge, bounds + 3 for a histogram.
  [[nodiscard]] std::int64_t num_series() const;

  /// Called before each page is made, by the thread that makes it: for numbers that are looked up
  /// (memory of the process, state of the coordinator). Not from within a refresh.
  void on_page(std::function<void()> refresh);

  /// The page: Prometheus' text format, version 0.0.4.
  [[nodiscard]] std::string page() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Content type of Registry::page().
inline constexpr const char* kPageContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace softmoe::metrics
