#include "tests/unit/coordinator/honest_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

namespace softmoe::coordinator {

RunPlan plan_of(int world) {
  budget::SetPoints initial;
  initial.budget = 4.0;
  return {
      .identity = {.run_id = "run-1", .version = "0.1.0", .config_hash = "c0ffee", .world = world},
      .shape = {.num_layers = 2, .num_experts = 8},
      .range = {.num_layers = 2, .floor = 1, .cap_sum = 16.0},
      .changes = {{Step{0}, initial}}};
}

TimePoint at(double seconds) {
  return TimePoint(std::chrono::hours(1)) +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

CoordinatorConfig config_of_tests() {
  CoordinatorConfig config;
  config.digest_every = 5;
  return config;
}

Registration registration_of(const RunPlan& plan, int rank, std::uint64_t incarnation) {
  Registration registration{.run = plan.identity,
                            .process = {Rank{rank}, incarnation},
                            .host = fmt::format("n{}", rank / 2),
                            .process_id = 4700 + rank};
  if (rank == 0) registration.governor = GovernorReport{Step{0}, plan.changes};
  return registration;
}

void register_others(Coordinator& coordinator, const RunPlan& plan, TimePoint now) {
  for (int rank = 1; rank < plan.identity.world; ++rank) {
    Registration registration =
        registration_of(plan, rank, static_cast<std::uint64_t>(1000 + rank));
    registration.seen_term = coordinator.term() - 1;
    (void)coordinator.register_rank(registration, now);
  }
}

budget::StepRecord small_plant(const budget::ControlWord& word) {
  constexpr std::int64_t kTokens = 256;
  std::minstd_rand random(static_cast<unsigned>(word.step.value) * 7919u + 17u);
  budget::StepRecord record{.in_force = word, .tokens = kTokens};
  for (const double k : {1.5, 3.5}) {
    const double noise = static_cast<double>(random() % 1000) / 1000.0 - 0.5;
    const double mean =
        std::clamp(k * std::exp(-0.3 * word.lambda) * (1.0 + 0.02 * noise), 1.0, 8.0);
    record.executed_L.push_back(std::llround(mean * kTokens));
    record.gain_L.push_back(0.3 * mean);
    record.boundary_mass_L.push_back(0.5 * k);
    record.soft_mass_L.push_back(k);
  }
  return record;
}

/// The line of rank 0 without a network: what a step hands over waits for the next report.
class HonestRun::Line final : public budget::BudgetLink {
 public:
  explicit Line(std::vector<budget::SetPointChange> changes) : changes_(std::move(changes)) {
    // Of its configuration a governor is given the initial set-points; the rest comes as news.
    arrived_.assign(changes_.begin() + 1, changes_.end());
    held_revision = changes_.back().set_points.revision;
  }

  void submit(const budget::StepReport& report) override {
    records.push_back({report.record, report.before});
    if (records.size() > 1024) records.pop_front();
    changes_ = report.timeline.changes();
  }

  [[nodiscard]] budget::LinkNews poll() override {
    budget::LinkNews news;
    news.changes = std::exchange(arrived_, {});
    for (const NumberedRequest& request : std::exchange(requests_, {})) {
      news.requests |= static_cast<std::uint32_t>(request.request);
      obeyed.push_back(request);
    }
    return news;
  }

  void take(const RecordReply& reply) {
    for (const budget::SetPointChange& change : reply.changes) {
      if (change.set_points.revision <= held_revision) continue;
      arrived_.push_back(change);
      held_revision = change.set_points.revision;
    }
    for (const NumberedRequest& request : reply.requests) {
      if (request.number <= held_request) continue;
      requests_.push_back(request);
      held_request = request.number;
    }
  }

  [[nodiscard]] const std::vector<budget::SetPointChange>& changes() const { return changes_; }

  std::deque<AuditedRecord> records;
  Step sent{-1};
  std::int64_t term = 0;
  std::int64_t held_revision = 0;
  std::int64_t held_request = 0;
  std::vector<NumberedRequest> obeyed;

 private:
  std::vector<budget::SetPointChange> changes_;
  std::vector<budget::SetPointChange> arrived_;
  std::vector<NumberedRequest> requests_;
};

HonestRun::HonestRun(RunPlan plan, std::uint64_t incarnation)
    : plan_(std::move(plan)),
      incarnation_(incarnation),
      line_(std::make_unique<Line>(plan_.changes)),
      governor_(plan_.changes.front().set_points, *line_) {}

HonestRun::HonestRun(RunPlan plan, std::uint64_t incarnation, const Checkpoint& checkpoint)
    : plan_(std::move(plan)),
      incarnation_(incarnation),
      line_(std::make_unique<Line>(checkpoint.changes)),
      governor_(checkpoint.changes.front().set_points, checkpoint.state, *line_),
      next_step_(checkpoint.next_step) {}

HonestRun::~HonestRun() = default;

void HonestRun::step() {
  word_ = governor_.word_for(next_step_, 0);
  (void)governor_.observe(small_plant(word_));
  next_step_ = Step(next_step_.value + 1);
}

void HonestRun::steps(int num_steps) {
  for (int i = 0; i < num_steps; ++i) step();
}

Checkpoint HonestRun::save() const {
  return {next_step_, governor_.state(), line_->changes()};
}

Registration HonestRun::registration() const {
  Registration registration = registration_of(plan_, 0, incarnation_);
  registration.seen_term = line_->term;
  const std::vector<AuditedRecord> unsent = report().records;
  registration.governor =
      GovernorReport{unsent.empty() ? next_step_ : unsent.front().record.step(), line_->changes()};
  return registration;
}

void HonestRun::register_at(Coordinator& coordinator, TimePoint now) {
  const Admission admission = coordinator.register_rank(registration(), now);
  line_->term = admission.term;
  line_->sent = admission.last_record;
}

RecordReport HonestRun::report() const {
  RecordReport report{.run_id = plan_.identity.run_id,
                      .process = {Rank{0}, incarnation_},
                      .term = line_->term,
                      .records = {},
                      .held_revision = line_->held_revision,
                      .held_request = line_->held_request};
  for (const AuditedRecord& record : line_->records) {
    if (record.record.step() > line_->sent) report.records.push_back(record);
  }
  return report;
}

void HonestRun::talk(Coordinator& coordinator, TimePoint now) {
  if (const auto reason = refusal_of([&] { send_report(coordinator, now); })) {
    if (*reason != Reason::term && *reason != Reason::rank) throw Refused(*reason, "a report");
    register_at(coordinator, now);
    send_report(coordinator, now);
  }
}

void HonestRun::send_report(Coordinator& coordinator, TimePoint now) {
  const RecordReport said = report();
  line_->take(coordinator.report(said, now));
  if (!said.records.empty()) line_->sent = said.records.back().record.step();
}

void HonestRun::drop_records() {
  line_->records.clear();
}

const std::vector<budget::SetPointChange>& HonestRun::changes() const {
  return line_->changes();
}

const std::vector<NumberedRequest>& HonestRun::obeyed() const {
  return line_->obeyed;
}

}  // namespace softmoe::coordinator
