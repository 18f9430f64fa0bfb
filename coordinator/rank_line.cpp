#include "coordinator/rank_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "coordinator/client_calls.h"
#include "coordinator/outbox.h"
#include "runtime/base/errors.h"

namespace softmoe::coordinator {
namespace {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLastRetry{5000};
/// Between two reports. Steps may be shorter; then a report carries several records.
constexpr milliseconds kBetweenReports{50};
/// After a call that was one too many.
constexpr milliseconds kAfterTooOften{1000};

std::uint64_t draw_incarnation() {
  std::random_device random;
  std::uint64_t drawn = 0;
  while (drawn == 0) drawn = (std::uint64_t{random()} << 32) | random();
  return drawn;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

/// Whether a refusal is of the records in the message, so that fewer of them may pass.
bool is_of_records(Reason reason) {
  return reason == Reason::record || reason == Reason::malformed || reason == Reason::too_large;
}

}  // namespace

struct RankLine::State {
  explicit State(Parts from)
      : parts(std::move(from)),
        process{.rank = parts.rank, .incarnation = draw_incarnation()},
        calls(parts.endpoint, parts.rank),
        outbox(parts.changes, parts.first_step),
        thread([this] { run(); }) {}

  // The thread.
  void run();
  void go_on();
  void register_again();
  void send_heartbeat();
  void send_report();
  void say_farewell();
  [[nodiscard]] bool take_in_term(std::int64_t reply_term);
  void on_refused(const Refused& refused);
  void on_failed(const std::string& error);
  void on_answer();
  void retry_later();
  void say(const std::string& line) const;
  void say_once(const std::string& line);
  [[nodiscard]] bool wait_until_due();
  [[nodiscard]] TimePoint due() const;
  [[nodiscard]] bool is_governor() const { return parts.rank == Rank{0}; }

  const Parts parts;
  const RankProcess process;
  ClientCalls calls;
  Outbox outbox;

  // Of the thread alone.
  bool is_registered = false;
  bool is_lost = false;
  std::int64_t term = 0;
  milliseconds period{1000};
  milliseconds retry = kFirstRetry;
  TimePoint retry_at;
  TimePoint heartbeat_at;
  TimePoint last_report;
  std::size_t max_records = Outbox::kMaxBatchRecords;
  /// Of the report in progress: its first and last record's step; -1: it has none.
  std::optional<std::pair<Step, Step>> reporting;
  std::optional<Step> doubted;  ///< the step of a record that was refused once
  bool is_hurried = false;      ///< a farewell does not wait for the next try
  std::string said;
  std::string verdict;

  std::mutex mutex;  ///< of what follows
  std::condition_variable changed;
  bool is_ending = false;
  bool has_work = false;  ///< a record or a farewell came while the thread was waiting
  std::optional<std::pair<Departure, std::string>> departure;
  bool is_gone = false;  ///< the farewell arrived
  LineStatus status;

  std::thread thread;  ///< last: it uses all above
};

void RankLine::State::run() {
  while (wait_until_due()) {
    try {
      go_on();
    } catch (const Refused& refused) {
      on_refused(refused);
    } catch (const std::exception& error) {
      on_failed(error.what());
    }
  }
}

TimePoint RankLine::State::due() const {
  if (!is_registered) return retry_at;
  if (!is_governor()) return heartbeat_at;
  const TimePoint report_at = last_report + (outbox.all_sent() ? period : kBetweenReports);
  return std::min(heartbeat_at, std::max(report_at, retry_at));
}

/// False: the line ends.
bool RankLine::State::wait_until_due() {
  std::unique_lock lock(mutex);
  while (!is_ending && !is_gone) {
    has_work = false;
    if (departure && !std::exchange(is_hurried, true)) retry_at = Clock::now();
    const bool is_leaving = departure.has_value() && is_registered && outbox.all_sent();
    const TimePoint until = is_leaving ? retry_at : due();
    if (Clock::now() >= until) return true;
    changed.wait_until(lock, until, [&] { return is_ending || has_work; });
  }
  return false;
}

void RankLine::State::go_on() {
  reporting.reset();
  if (!is_registered) {
    register_again();
    return;
  }
  const TimePoint now = Clock::now();
  if (now >= heartbeat_at) send_heartbeat();
  if (is_registered && is_governor() && now >= retry_at) {
    const auto between = outbox.all_sent() ? period : kBetweenReports;
    if (now >= last_report + between) send_report();
  }
  if (is_registered && outbox.all_sent()) say_farewell();
}

void RankLine::State::register_again() {
  Registration registration{.run = parts.run,
                            .process = process,
                            .host = host_name(),
                            .process_id = ::getpid(),
                            .seen_term = term,
                            .governor = {},
                            .metrics_address = parts.metrics_address};
  if (is_governor()) registration.governor = outbox.governor();
  const auto admission =
      calls.call<Admission>(Method::register_rank, registration, parts.endpoint.deadline);
  if (!take_in_term(admission.term)) return;
  is_registered = true;
  period = std::chrono::duration_cast<milliseconds>(
      std::chrono::duration<double>(admission.heartbeat_seconds));
  heartbeat_at = Clock::now();
  last_report = TimePoint();
  if (is_governor()) outbox.begin_after(admission.last_record);
  on_answer();
  const std::lock_guard lock(mutex);
  ++status.registrations;
}

void RankLine::State::send_heartbeat() {
  const Heartbeat heartbeat{.run_id = parts.run.run_id,
                            .process = process,
                            .term = term,
                            .place = parts.progress.place()};
  heartbeat_at = Clock::now() + period;
  const auto reply =
      calls.call<HeartbeatReply>(Method::heartbeat, heartbeat, parts.endpoint.deadline);
  if (!take_in_term(reply.term)) return;
  on_answer();
  // Of rank 0 a report has to pass as well, or one that is refused for ever would come at once
  // again.
  if (!is_governor()) retry = kFirstRetry;
  if (reply.verdict == verdict) return;
  say(reply.verdict.empty() ? "the run goes on again" : reply.verdict);
  verdict = reply.verdict;
}

void RankLine::State::send_report() {
  RecordReport report{.run_id = parts.run.run_id,
                      .process = process,
                      .term = term,
                      .records = outbox.next_batch(max_records),
                      .held_revision = outbox.held_revision(),
                      .held_request = outbox.held_request()};
  last_report = Clock::now();
  const auto step_of = [](const AuditedRecord& record) { return record.record.step(); };
  reporting = {Step{-1}, Step{-1}};
  if (!report.records.empty())
    reporting = {step_of(report.records.front()), step_of(report.records.back())};
  const auto reply = calls.call<RecordReply>(Method::report, report, parts.endpoint.deadline);
  const Step last = std::exchange(reporting, std::nullopt)->second;
  if (!take_in_term(reply.term)) return;
  on_answer();
  retry = kFirstRetry;
  max_records = std::min(2 * max_records, Outbox::kMaxBatchRecords);
  outbox.sent(last, reply.durable);
  if (outbox.deliver(reply) > 0)
    say_once(
        fmt::format("{} sent set-points that make no sense; they are passed over", calls.peer()));
}

void RankLine::State::say_farewell() {
  Farewell farewell{.run_id = parts.run.run_id,
                    .process = process,
                    .term = term,
                    .departure = Departure::done,
                    .reason = {}};
  {
    const std::lock_guard lock(mutex);
    if (!departure) return;
    std::tie(farewell.departure, farewell.reason) = *departure;
  }
  static_cast<void>(calls.call<Empty>(Method::farewell, farewell, parts.endpoint.deadline));
  {
    const std::lock_guard lock(mutex);
    is_gone = true;
  }
  changed.notify_all();
}

/// Whether a reply may be obeyed. A lower term is that of a coordinator that has been replaced; a
/// higher one is a restarted one, which has to be told first who we are.
bool RankLine::State::take_in_term(std::int64_t reply_term) {
  if (reply_term == term) return true;
  const bool is_admission = !is_registered;
  if (reply_term < term) {
    is_registered = false;
    retry_later();
    const std::lock_guard lock(mutex);
    status.is_registered = false;
    ++status.stale_terms;
    return false;
  }
  if (!is_admission) {
    is_registered = false;
    retry_at = Clock::now();
    return false;
  }
  term = reply_term;
  return true;
}

void RankLine::State::on_refused(const Refused& refused) {
  {
    const std::lock_guard lock(mutex);
    ++status.refused_calls;
    status.last_error = refused.what();
  }
  const auto report = std::exchange(reporting, std::nullopt);
  if (refused.reason() == Reason::too_often) {
    retry_at = heartbeat_at = Clock::now() + kAfterTooOften;
    return;
  }
  say_once(fmt::format("{} refuses: {}", calls.peer(), refused.what()));
  if (report && report->first >= Step{0} && is_of_records(refused.reason())) {
    // One of the records is at fault, or the coordinator knows another past than we do: we register
    // again and send one alone, and if that is refused as well it is given up.
    max_records = 1;
    if (report->first == report->second && doubted == report->first) {
      outbox.drop(report->first);
      doubted.reset();
      return;
    }
    doubted = report->first;
  }
  is_registered = false;
  retry_later();
  const std::lock_guard lock(mutex);
  status.is_registered = false;
}

void RankLine::State::on_failed(const std::string& error) {
  if (const auto report = std::exchange(reporting, std::nullopt))
    outbox.may_have_arrived(report->second);
  is_registered = false;
  retry_later();
  {
    const std::lock_guard lock(mutex);
    status.is_registered = false;
    ++status.failed_calls;
    status.last_error = error;
    if (is_ending) return;
  }
  if (!std::exchange(is_lost, true))
    say(fmt::format("{}; the run goes on without, and tries again", error));
}

void RankLine::State::on_answer() {
  if (std::exchange(is_lost, false)) say(fmt::format("{} is there again", calls.peer()));
  said.clear();
  const std::lock_guard lock(mutex);
  status.is_registered = is_registered;
  status.term = term;
  status.last_error.clear();
}

void RankLine::State::retry_later() {
  retry_at = Clock::now() + retry;
  retry = std::min(2 * retry, kLastRetry);
}

void RankLine::State::say(const std::string& line) const {
  if (parts.log) parts.log(line);
}

void RankLine::State::say_once(const std::string& line) {
  if (line == said) return;
  say(line);
  said = line;
}

RankLine::RankLine(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}

RankLine::~RankLine() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_ending = true;
  }
  state_->changed.notify_all();
  state_->calls.cancel();
  state_->thread.join();
}

void RankLine::submit(const budget::StepReport& report) {
  state_->outbox.submit(report);
  {
    const std::lock_guard lock(state_->mutex);
    state_->has_work = true;
  }
  state_->changed.notify_all();
}

budget::LinkNews RankLine::poll() {
  return state_->outbox.poll();
}

void RankLine::farewell(Departure departure, const std::string& reason, milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  state_->departure = {departure, reason};
  state_->has_work = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, patience, [&] { return state_->is_gone; });
}

LineStatus RankLine::status() const {
  const std::int64_t dropped = state_->outbox.num_dropped();
  const std::lock_guard lock(state_->mutex);
  LineStatus status = state_->status;
  status.dropped_records = dropped;
  return status;
}

}  // namespace softmoe::coordinator
