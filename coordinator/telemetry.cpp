#include "coordinator/telemetry.h"

#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/server.h"

namespace softmoe::coordinator {
namespace {

using metrics::Family;
using metrics::Kind;

constexpr std::array kStates = {MemberState::absent, MemberState::alive, MemberState::silent,
                                MemberState::left};
constexpr std::array<std::string_view, 3> kVerdicts = {"agreed", "disagreed", "unaudited"};

Family gauge(std::string name, std::string help, std::vector<std::string> labels = {}) {
  return {.name = std::move(name),
          .kind = Kind::gauge,
          .labels = std::move(labels),
          .help = std::move(help),
          .bounds = {}};
}

Family counter(std::string name, std::string help, std::vector<std::string> labels) {
  Family family = gauge(std::move(name), std::move(help), std::move(labels));
  family.kind = Kind::counter;
  return family;
}

Family durations() {
  Family family = gauge("softmoe_coordinator_rpc_duration_seconds",
                        "Time from a call's arrival to its answer", {"method"});
  family.kind = Kind::histogram;
  family.bounds.assign(kCallSeconds.begin(), kCallSeconds.end());
  return family;
}

/// A count of others that a page's counter follows.
class Followed {
 public:
  explicit Followed(metrics::Counter counter) : counter_(counter) {}

  /// What is counted now. Less than before: it was begun again, at 0.
  void follow(std::int64_t count) {
    counter_.add(static_cast<double>(count < seen_ ? count : count - seen_));
    seen_ = count;
  }

 private:
  metrics::Counter counter_;
  std::int64_t seen_ = 0;
};

/// The numbers of the coordinator as a whole.
class Whole {
 public:
  explicit Whole(metrics::Registry& registry)
      : up(registry.gauge(gauge("softmoe_coordinator_up", "Always 1: it answers"))),
        term(registry.gauge(
            gauge("softmoe_coordinator_term", "Fencing term; grows by one with every start"))),
        expected(registry.gauge(gauge("softmoe_coordinator_ranks_expected", "Ranks of the run"))),
        last_record(registry.gauge(
            gauge("softmoe_coordinator_last_record_step", "Step of the newest record"))),
        step_seconds(registry.gauge(
            gauge("softmoe_coordinator_step_seconds", "Median time between records"))),
        stuck(registry.gauge(gauge("softmoe_coordinator_stuck",
                                   "1 while a verdict stands: somebody holds the run up"))),
        window_error(
            registry.gauge(gauge("softmoe_coordinator_budget_window_error_ratio",
                                 "Mean of (used - target) / target over the audit's window"))),
        window_rms(registry.gauge(gauge("softmoe_coordinator_budget_window_rms_ratio",
                                        "Root mean square of the same"))) {}

  void show(const Status& status) {
    up.set(1.0);
    term.set(static_cast<double>(status.term));
    expected.set(status.run.world);
    last_record.set(static_cast<double>(status.last_record.value));
    step_seconds.set(status.step_seconds);
    stuck.set(status.verdict.empty() ? 0.0 : 1.0);
    window_error.set(status.budget.window_error_ratio);
    window_rms.set(status.budget.window_rms_ratio);
  }

 private:
  metrics::Gauge up;
  metrics::Gauge term;
  metrics::Gauge expected;
  metrics::Gauge last_record;
  metrics::Gauge step_seconds;
  metrics::Gauge stuck;
  metrics::Gauge window_error;
  metrics::Gauge window_rms;
};

/// What the coordinator counts itself.
class Counts {
 public:
  explicit Counts(metrics::Registry& registry) {
    const Family words = counter("softmoe_coordinator_words_audited_total",
                                 "Control words decided again", {"verdict"});
    for (const std::string_view verdict : kVerdicts) add(words_, registry, words, verdict);
    const Family alarms = counter("softmoe_coordinator_alarms_total", "Alarms", {"kind"});
    for (int kind = 0; kind < kNumAlarmKinds; ++kind) {
      add(alarms_, registry, alarms, name_of(static_cast<AlarmKind>(kind)));
    }
    const Family rejected =
        counter("softmoe_coordinator_rejected_total", "Requests refused, by reason", {"reason"});
    for (int reason = 0; reason < kNumReasons; ++reason) {
      add(rejected_, registry, rejected, name_of(static_cast<Reason>(reason)));
    }
  }

  void show(const Status& status) {
    words_[0].follow(status.audit.agreed);
    words_[1].follow(status.audit.disagreed);
    words_[2].follow(status.audit.unaudited);
    for (std::size_t i = 0; i < alarms_.size(); ++i) alarms_[i].follow(status.alarm_counts[i]);
    for (std::size_t i = 0; i < rejected_.size(); ++i) rejected_[i].follow(status.refusals[i]);
  }

 private:
  static void add(std::vector<Followed>& to, metrics::Registry& registry, const Family& family,
                  std::string_view label) {
    to.emplace_back(registry.counter(family, {std::string(label)}));
  }

  std::vector<Followed> words_;
  std::vector<Followed> alarms_;
  std::vector<Followed> rejected_;
};

/// The ranks: how many are in each state and, where they are not too many, each of them.
class Ranks {
 public:
  Ranks(metrics::Registry& registry, int world)
      : registry_(registry),
        age_(gauge("softmoe_coordinator_heartbeat_age_seconds",
                   "Time since the rank's last heartbeat, when the page was made", {"rank"})) {
    const Family states = gauge("softmoe_coordinator_ranks", "Ranks by state", {"state"});
    for (const MemberState state : kStates) {
      by_state_.push_back(registry.gauge(states, {std::string(name_of(state))}));
    }
    if (world > Telemetry::kMaxRankSeries) return;
    const Family incarnations = gauge("softmoe_coordinator_rank_incarnations",
                                      "Processes that have owned the rank", {"rank"});
    for (int rank = 0; rank < world; ++rank) {
      incarnations_W_.push_back(registry.gauge(incarnations, {std::to_string(rank)}));
    }
    ages_W_.resize(incarnations_W_.size());
  }

  void show(const std::vector<MemberStatus>& members) {
    std::array<int, kStates.size()> counts{};
    for (const MemberStatus& member : members) {
      ++counts[static_cast<std::size_t>(member.state)];
      const auto rank = static_cast<std::size_t>(member.rank.value);
      if (rank >= incarnations_W_.size()) continue;
      incarnations_W_[rank].set(static_cast<double>(member.incarnations));
      show_age(rank, member);
    }
    for (std::size_t state = 0; state < counts.size(); ++state) by_state_[state].set(counts[state]);
  }

 private:
  void show_age(std::size_t rank, const MemberStatus& member) {
    if (member.state == MemberState::absent) return;
    std::optional<metrics::Gauge>& age = ages_W_[rank];
    if (!age) age = registry_.gauge(age_, {std::to_string(rank)});
    age->set(member.state == MemberState::left ? std::numeric_limits<double>::quiet_NaN()
                                               : member.seconds_since_heartbeat);
  }

  metrics::Registry& registry_;
  Family age_;
  std::vector<metrics::Gauge> by_state_;
  std::vector<metrics::Gauge> incarnations_W_;  ///< empty: too many ranks
  std::vector<std::optional<metrics::Gauge>> ages_W_;
};

/// The calls of the server, method by method. A code has a series from its first call on; OK from
/// the start.
class Calls {
 public:
  explicit Calls(metrics::Registry& registry)
      : registry_(registry),
        rpcs_(counter("softmoe_coordinator_rpcs_total", "Calls by method and status code",
                      {"method", "code"})) {
    const Family family = durations();
    for (std::size_t method = 0; method < kNumCounted; ++method) {
      seconds_.push_back(registry.histogram(family, {std::string(counted_name(method))}));
      const bool is_known = method < kMethods.size();
      series_of(method, static_cast<std::size_t>(is_known ? kCodeOk : kCodeUnimplemented));
    }
  }

  void show(const AllCallTotals& now) {
    for (std::size_t method = 0; method < kNumCounted; ++method) {
      const CallTotals& calls = now[method];
      for (std::size_t code = 0; code < kCodeNames.size(); ++code) {
        if (calls.by_code[code] > 0) series_of(method, code).follow(calls.by_code[code]);
      }
      show_seconds(method, calls);
    }
  }

 private:
  Followed& series_of(std::size_t method, std::size_t code) {
    std::optional<Followed>& series = by_code_[method][code];
    if (!series) {
      series.emplace(registry_.counter(
          rpcs_, {std::string(counted_name(method)), std::string(kCodeNames[code])}));
    }
    return *series;
  }

  void show_seconds(std::size_t method, const CallTotals& calls) {
    CallTotals& seen = seen_[method];
    const bool is_restarted = calls.seconds < seen.seconds;
    if (is_restarted) seen = {};
    std::vector<double> increments;
    for (std::size_t i = 0; i < calls.by_seconds.size(); ++i) {
      increments.push_back(static_cast<double>(calls.by_seconds[i] - seen.by_seconds[i]));
    }
    seconds_[method].observe_many(increments, calls.seconds - seen.seconds);
    seen = calls;
  }

  metrics::Registry& registry_;
  Family rpcs_;
  std::array<std::array<std::optional<Followed>, kCodeNames.size()>, kNumCounted> by_code_;
  std::vector<metrics::Histogram> seconds_;
  AllCallTotals seen_;
};

}  // namespace

struct Telemetry::State {
  State(metrics::Registry& registry, Source from)
      : source(std::move(from)),
        whole(registry),
        counts(registry),
        ranks(registry, source.status().run.world),
        calls(registry) {}

  void refresh() {
    const std::lock_guard lock(mutex);
    if (is_over) return;
    const Status status = source.status();
    whole.show(status);
    counts.show(status);
    ranks.show(status.members);
    calls.show(source.calls());
  }

  std::mutex mutex;  ///< of all below
  bool is_over = false;
  Source source;
  Whole whole;
  Counts counts;
  Ranks ranks;
  Calls calls;
};

Telemetry::Telemetry(metrics::Registry& registry, Source source)
    : state_(std::make_shared<State>(registry, std::move(source))) {
  state_->refresh();  // a page that is being made may have some of the series already
  registry.on_page([state = state_] { state->refresh(); });
}

Telemetry::Telemetry(metrics::Registry& registry, const Coordinator& coordinator,
                     const Server& server)
    : Telemetry(registry, {.status = [&coordinator] { return coordinator.status(Clock::now()); },
                           .calls = [&server] { return server.calls(); }}) {}

Telemetry::~Telemetry() {
  const std::lock_guard lock(state_->mutex);
  state_->is_over = true;
}

}  // namespace softmoe::coordinator
