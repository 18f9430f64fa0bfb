// A coordinator that dies at any point and is made again, from its journal or from nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "coordinator/coordinator.h"
#include "coordinator/journal.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/coordinator/honest_run.h"
#include "tests/unit/coordinator/memory_file_system.h"

namespace softmoe::coordinator {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ChangeOrder budget_of(double budget, std::optional<std::int64_t> from = std::nullopt) {
  ChangeOrder order;
  order.budget = budget;
  if (from) order.effective_from = Step{*from};
  return order;
}

/// A coordinator with its journal, which can die and come back.
class Mortal {
 public:
  explicit Mortal(storage::FileSystem& files, const RunPlan& plan) : files_(files), plan_(plan) {
    live(0);
  }
  void live(double now) {
    coordinator_.reset();
    journal_.reset();
    journal_.emplace(files_, folder_.path());
    coordinator_.emplace(
        Coordinator::Parts{.config = config_,
                           .plan = plan_,
                           .journal = &*journal_,
                           .log = [this](const std::string& line) { lines.push_back(line); }},
        at(now));
  }
  void die() {
    coordinator_.reset();
    journal_.reset();
  }
  Coordinator& operator*() { return *coordinator_; }
  Coordinator* operator->() { return &*coordinator_; }
  [[nodiscard]] std::filesystem::path journal_path() const { return folder_ / "journal.jsonl"; }

  [[nodiscard]] std::string first_line_with(const std::string& word) const {
    for (const std::string& line : lines) {
      if (line.find(word) != std::string::npos) return line;
    }
    return "";
  }

  std::vector<std::string> lines;

 private:
  storage::FileSystem& files_;
  const RunPlan plan_;
  TemporaryDirectory folder_;
  const CoordinatorConfig config_ = config_of_tests();
  std::optional<Journal> journal_;
  std::optional<Coordinator> coordinator_;
};

class Recovery : public ::testing::Test {
 protected:
  void go(HonestRun& run, int num_steps) {
    for (int i = 0; i < num_steps; ++i) {
      run.step();
      run.talk(*coordinator_, at(now_ += 0.1));
    }
  }
  Status status() { return coordinator_->status(at(now_)); }

  MemoryFileSystem files_;
  RunPlan plan_ = plan_of(1);
  Mortal coordinator_{files_, plan_};
  HonestRun run_{plan_, 1000};
  double now_ = 0;
};

TEST_F(Recovery, TermsRise) {
  EXPECT_EQ(coordinator_->term(), 1);
  coordinator_.live(1);
  EXPECT_EQ(coordinator_->term(), 2);
  coordinator_.live(2);
  EXPECT_EQ(coordinator_->term(), 3);
}

TEST_F(Recovery, ACallUnderTheOldTermRegistersAgainAndTheAuditGoesOn) {
  run_.register_at(*coordinator_, at(0));
  go(run_, 23);
  coordinator_.live(now_);
  EXPECT_EQ(refusal_of([&] { (void)coordinator_->report(run_.report(), at(now_)); }), Reason::term);

  go(run_, 7);

  EXPECT_EQ(status().last_record, Step{29});
  EXPECT_EQ(status().audit.agreed, 30);
  EXPECT_EQ(status().audit.disagreed + status().audit.unaudited, 0);
  EXPECT_THAT(status().alarms, IsEmpty());
}

TEST_F(Recovery, WhatIsDurableNeedNotBeSentAgain) {
  run_.register_at(*coordinator_, at(0));
  RecordReply reply;
  for (int i = 0; i < 23; ++i) {
    run_.step();
    RecordReport report = run_.report();
    reply = coordinator_->report(report, at(now_));
    run_.talk(*coordinator_, at(now_));
  }
  EXPECT_EQ(reply.durable, Step{20});
  coordinator_.live(now_);

  const Admission admission = coordinator_->register_rank(run_.registration(), at(now_));

  EXPECT_EQ(admission.last_record, reply.durable);
}

TEST_F(Recovery, AChangeThatWasPromisedIsKept) {
  run_.register_at(*coordinator_, at(0));
  go(run_, 5);
  const ChangeReply promised = coordinator_->change(budget_of(0.1 + 5.0, 30), at(now_));
  coordinator_.live(now_);

  ASSERT_THAT(status().budget.planned, SizeIs(1));
  go(run_, 40);

  EXPECT_EQ(run_.last_word().budget, promised.change.set_points.budget);
  EXPECT_EQ(run_.last_word().term, 1) << "of the coordinator that made the change";
  EXPECT_EQ(status().audit.agreed, 45);
  EXPECT_EQ(coordinator_->change(budget_of(5.0), at(now_)).change.set_points.revision, 2);
  EXPECT_EQ(coordinator_->change(budget_of(6.0), at(now_)).change.set_points.term, 2);
}

TEST_F(Recovery, ARequestThatRankZeroTookIsNotTakenAgain) {
  run_.register_at(*coordinator_, at(0));
  (void)coordinator_->request(budget::Request::save, at(now_));
  go(run_, 1);
  coordinator_.live(now_);
  (void)coordinator_->request(budget::Request::drain, at(now_));
  coordinator_.live(now_);
  go(run_, 5);

  EXPECT_THAT(run_.obeyed(), testing::ElementsAre(NumberedRequest{1, budget::Request::save},
                                                  NumberedRequest{2, budget::Request::drain}));
  EXPECT_THAT(status().pending_requests, IsEmpty());
}

TEST_F(Recovery, AlarmsAreRemembered) {
  run_.register_at(*coordinator_, at(0));
  go(run_, 5);
  run_.step();
  RecordReport report = run_.report();
  report.records.back().record.in_force.lambda += 1.0;
  (void)coordinator_->report(report, at(now_));
  coordinator_.live(now_);

  ASSERT_THAT(status().alarms, SizeIs(1));
  EXPECT_EQ(status().alarms[0].kind, AlarmKind::disagreement);
  EXPECT_EQ(status().alarm_counts[0], 1);
}

TEST_F(Recovery, WithoutAJournalRankZeroBringsChangesAndTheTermGoesPastTheOldOne) {
  run_.register_at(*coordinator_, at(0));
  go(run_, 5);
  (void)coordinator_->change(budget_of(5.0, 10), at(now_));
  (void)coordinator_->change(budget_of(6.0, 20), at(now_));
  coordinator_.live(now_);
  go(run_, 10);
  ASSERT_EQ(coordinator_->term(), 2);

  files_.remove(coordinator_.journal_path());
  coordinator_.live(now_);
  EXPECT_EQ(coordinator_->term(), 1);
  const ChangeReply meanwhile = coordinator_->change(budget_of(7.0), at(now_));
  EXPECT_EQ(meanwhile.change.set_points.revision, 1);
  go(run_, 20);

  EXPECT_EQ(coordinator_->term(), 3);
  EXPECT_EQ(run_.last_word().budget, 7.0) << "what was promised meanwhile follows";
  EXPECT_EQ(run_.last_word().revision, 3);
  EXPECT_EQ(status().audit.disagreed, 0);
  EXPECT_EQ(status().audit.unaudited, 1) << "where the audit began again";
  EXPECT_THAT(coordinator_.lines, Contains(HasSubstr("revision 1 is taken over from rank 0")));

  coordinator_.live(now_);
  EXPECT_EQ(coordinator_->term(), 4);
  EXPECT_EQ(status().budget.in_force.budget, 7.0);
}

TEST_F(Recovery, RequestsOfANewJournalAreNumberedPastThoseThatRankZeroHolds) {
  run_.register_at(*coordinator_, at(0));
  for (int i = 0; i < 3; ++i) {
    (void)coordinator_->request(budget::Request::save, at(now_));
    go(run_, 2);
  }
  files_.remove(coordinator_.journal_path());
  coordinator_.live(now_);

  EXPECT_EQ(coordinator_->request(budget::Request::drain, at(now_)).number, 1);
  go(run_, 2);

  EXPECT_EQ(run_.obeyed().back(), (NumberedRequest{4, budget::Request::drain}));
}

TEST_F(Recovery, AJournalOfAnotherRunIsRefused) {
  coordinator_.die();
  Journal journal(files_, coordinator_.journal_path().parent_path());
  RunPlan other = plan_;
  other.identity.run_id = "run-2";
  const CoordinatorConfig config;
  EXPECT_THAT([&] { Coordinator({.config = config, .plan = other, .journal = &journal}, at(0)); },
              FailsWith(StorageError::Kind::bad_format, HasSubstr("'run-1', and this is 'run-2'")));
}

TEST(RecoveryOfAFullDisk, ChangesAndRequestsAreRefusedAndRanksGoOn) {
  MemoryFileSystem memory;
  FaultyFileSystem files(memory);
  const RunPlan plan = plan_of(1);
  Mortal coordinator(files, plan);
  HonestRun run(plan, 1000);
  run.register_at(*coordinator, at(0));
  files.fail_at(0, FaultyFileSystem::Fault::forever);

  EXPECT_EQ(refusal_of([&] { (void)coordinator->change(budget_of(5.0), at(0)); }), Reason::journal);
  EXPECT_EQ(refusal_of([&] { (void)coordinator->request(budget::Request::save, at(0)); }),
            Reason::journal);
  for (int i = 0; i < 20; ++i) {
    run.step();
    run.talk(*coordinator, at(0));
  }
  const Status full = coordinator->status(at(0));
  EXPECT_EQ(full.audit.agreed, 20);
  EXPECT_GE(full.alarm_counts[static_cast<std::size_t>(AlarmKind::journal)], 2);
  EXPECT_EQ(full.budget.planned.size(), 0u);

  files.fail_at(-1, FaultyFileSystem::Fault::once);
  EXPECT_EQ(coordinator->change(budget_of(5.0), at(0)).change.set_points.revision, 1);
  coordinator.live(1);
  EXPECT_THAT(coordinator->status(at(1)).budget.planned, SizeIs(1));
}

/// What was promised to people, to be held against what happens.
struct Promises {
  std::vector<budget::SetPointChange> changes;
  std::vector<NumberedRequest> requests;
};

// Steps, reports, changes and requests in random order; the coordinator dies between any two calls
// and inside writes, rank 0 goes back to checkpoints as another process. Every promise is kept.
TEST(RecoveryOfRandomRuns, LosesNoPromiseAndFindsNoDisagreement) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    MemoryFileSystem memory;
    FaultyFileSystem files(memory);
    const RunPlan plan = plan_of(1);
    Mortal coordinator(files, plan);
    auto run = std::make_unique<HonestRun>(plan, 1000);
    std::uint64_t incarnation = 1000;
    Checkpoint checkpoint = run->save();
    Promises promises;
    std::vector<NumberedRequest> obeyed;
    std::int64_t highest_term = 0;
    double now = 0;
    run->register_at(*coordinator, at(now));

    for (int event = 0; event < 300; ++event) {
      now += 0.05;
      const auto what = random() % 100;
      if (what < 45) {
        run->step();
      } else if (what < 75) {
        run->talk(*coordinator, at(now));
      } else if (what < 80) {
        const double budget = 3.0 + 0.1 * static_cast<double>(random() % 40);
        promises.changes.push_back(coordinator->change(budget_of(budget), at(now)).change);
      } else if (what < 84) {
        promises.requests.push_back(coordinator->request(
            random() % 2 == 0 ? budget::Request::save : budget::Request::drain, at(now)));
      } else if (what < 92) {
        // Killed inside a write: what was not synced may be there or not.
        files.fail_at(static_cast<int>(random() % 4), FaultyFileSystem::Fault::forever);
        (void)refusal_of([&] { (void)coordinator->change(budget_of(9.0), at(now)); });
        coordinator.die();
        files.fail_at(-1, FaultyFileSystem::Fault::once);
        memory.crash(static_cast<double>(random() % 11) / 10.0);
        coordinator.live(now);
        ASSERT_GT(coordinator->term(), highest_term);
        highest_term = coordinator->term();
      } else if (what < 97) {
        checkpoint = run->save();
      } else {
        obeyed.insert(obeyed.end(), run->obeyed().begin(), run->obeyed().end());
        run = std::make_unique<HonestRun>(plan, ++incarnation, checkpoint);
        for (int i = 0; i < 10; ++i) coordinator->look(at(now += 1.0));
      }
    }
    for (int i = 0; i < 5; ++i) {
      run->talk(*coordinator, at(now));
      run->step();
    }
    obeyed.insert(obeyed.end(), run->obeyed().begin(), run->obeyed().end());
    const Status status = coordinator->status(at(now));

    ASSERT_EQ(status.audit.disagreed, 0)
        << "seed " << seed << ": " << coordinator.first_line_with("disagreement");
    if (!promises.changes.empty()) {
      // A kill inside a write may leave a change of its own behind, but never takes one away.
      ASSERT_GE(run->changes().back().set_points.revision,
                promises.changes.back().set_points.revision)
          << seed;
      for (const budget::SetPointChange& held : run->changes()) {
        for (const budget::SetPointChange& promised : promises.changes) {
          if (promised.set_points.revision != held.set_points.revision) continue;
          ASSERT_EQ(promised.set_points.budget, held.set_points.budget) << seed;
        }
      }
    }
    ASSERT_THAT(status.pending_requests, IsEmpty()) << seed;
    for (const NumberedRequest& request : promises.requests) {
      ASSERT_LE(std::count(obeyed.begin(), obeyed.end(), request), 1) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace softmoe::coordinator
