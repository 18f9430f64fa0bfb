#include "coordinator/rank_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <thread>

#include "budget/set_point_timeline.h"
#include "coordinator/refusal.h"
#include "coordinator/server.h"
#include "tests/unit/coordinator_wire/fake_coordinator.h"

namespace softmoe::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using SteadyClock = std::chrono::steady_clock;

std::vector<std::int64_t> numbers(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(last - first + 1));
  std::iota(all.begin(), all.end(), first);
  return all;
}

budget::SetPointChange change_of(std::int64_t revision, double budget) {
  return {.effective_from = Step{revision}, .set_points = {.budget = budget, .revision = revision}};
}

/// Lines of people, from any thread.
class Lines {
 public:
  RankLine::Log log() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
    };
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

class Line : public testing::Test {
 protected:
  Line() { serve(); }

  void serve() {
    server_ = std::make_unique<Server>(fake_.handlers(),
                                       Server::Options{.config = config_, .run_id = "run"});
    // A restarted one comes back where it was.
    config_.listen = server_->address();
  }

  void connect(int rank, Step first_step = Step{0}) {
    connect_to({.address = config_.listen}, rank, first_step);
  }

  void connect_to(const Endpoint& endpoint, int rank, Step first_step = Step{0}) {
    line_ = std::make_unique<RankLine>(
        RankLine::Parts{.endpoint = endpoint,
                        .run = {.run_id = "run", .version = "1", .config_hash = "abc", .world = 2},
                        .rank = Rank{rank},
                        .progress = progress_,
                        .changes = timeline_.changes(),
                        .first_step = first_step,
                        .log = lines_.log(),
                        .metrics_address = "n7:9100"});
  }

  void submit(std::int64_t first, std::int64_t last) {
    for (std::int64_t step = first; step <= last; ++step) {
      const budget::StepRecord record{.in_force = {.step = Step{step}, .budget = 4.0},
                                      .tokens = 10,
                                      .executed_L = {step, 2},
                                      .gain_L = {1.0, 1.0},
                                      .boundary_mass_L = {0.5, 0.5},
                                      .soft_mass_L = {2.0, 2.0}};
      line_->submit(
          {.record = record, .before = {.last_record = Step{step - 1}}, .timeline = timeline_});
    }
  }

  bool wait_for_records(std::size_t num_records) {
    return fake_.wait_for([&](const auto& fake) { return fake.records_.size() == num_records; });
  }

  bool wait_for_status(const std::function<bool(const LineStatus&)>& condition) {
    const auto end = SteadyClock::now() + test::patience(seconds(5));
    while (SteadyClock::now() < end) {
      if (condition(line_->status())) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }

  budget::LinkNews poll_until_news() {
    const auto end = SteadyClock::now() + test::patience(seconds(5));
    budget::LinkNews news;
    while (news.changes.empty() && news.requests == 0 && SteadyClock::now() < end) {
      news = line_->poll();
      std::this_thread::sleep_for(milliseconds(5));
    }
    return news;
  }

  Progress progress_;
  budget::SetPointTimeline timeline_{budget::SetPoints{.budget = 4.0}};
  Lines lines_;
  FakeCoordinator fake_;
  CoordinatorConfig config_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<RankLine> line_;
};

TEST_F(Line, RegistersAndSaysWhereItsRankIs) {
  progress_.begin_step(Step{12});
  progress_.enter(Phase::dispatch, 3);

  connect(1);

  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.heartbeats_.size() >= 3; }));
  const Registration registration = fake_.registrations_.at(0);
  EXPECT_EQ(registration.run.config_hash, "abc");
  EXPECT_EQ(registration.process.rank, Rank{1});
  EXPECT_EQ(registration.process_id, ::getpid());
  EXPECT_FALSE(registration.governor.has_value());
  EXPECT_EQ(registration.metrics_address, "n7:9100");
  EXPECT_EQ(fake_.heartbeats_.at(2).place, progress_.place());
  EXPECT_EQ(fake_.heartbeats_.at(2).process, registration.process);
  EXPECT_EQ(fake_.num_reports_, 0);
  EXPECT_TRUE(line_->status().is_registered);
  EXPECT_EQ(line_->status().term, 1);
}

TEST_F(Line, CarriesRecordsOfRankZero) {
  connect(0, Step{5});
  submit(5, 304);

  ASSERT_TRUE(wait_for_records(300));
  EXPECT_EQ(fake_.steps(), numbers(5, 304));
  EXPECT_EQ(fake_.registrations_.at(0).governor->next_step, Step{5});
  EXPECT_EQ(fake_.records_.at(7).record.executed_L, std::vector<std::int64_t>({7, 2}));
  EXPECT_EQ(fake_.records_.at(7).before.last_record, Step{6});
  EXPECT_LE(fake_.num_reports_, 20);
}

TEST_F(Line, DeliversChangesInOrderAndRequestsOnce) {
  fake_.changes_ = {change_of(1, 5.0), change_of(2, 6.0)};
  fake_.requests_ = {{.number = 1, .request = budget::Request::save},
                     {.number = 2, .request = budget::Request::drain}};
  connect(0);

  const budget::LinkNews news = poll_until_news();

  ASSERT_EQ(news.changes.size(), 2U);
  EXPECT_EQ(news.changes[0].set_points.revision, 1);
  EXPECT_EQ(news.changes[1].set_points.budget, 6.0);
  EXPECT_EQ(news.requests, 3U);
  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.held_request_ == 2; }));
  EXPECT_EQ(fake_.held_revision_, 2);
  const int num_reports = fake_.num_reports_;
  ASSERT_TRUE(fake_.wait_for([&](const auto& f) { return f.num_reports_ > num_reports + 2; }));
  EXPECT_EQ(line_->poll().requests, 0U);
  EXPECT_THAT(line_->poll().changes, IsEmpty());
}

// The coordinator says the same again until it hears that rank 0 holds it.
TEST_F(Line, DeliversARequestOnceThoughItComesAgain) {
  fake_.requests_ = {{.number = 4, .request = budget::Request::save}};
  connect(0);
  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.num_reports_ >= 4; }));

  EXPECT_EQ(line_->poll().requests, 1U);
  EXPECT_EQ(line_->poll().requests, 0U);
  fake_.change([](auto& fake) {
    fake.requests_.push_back({.number = 5, .request = budget::Request::save});
  });
  EXPECT_EQ(poll_until_news().requests, 1U);
}

TEST_F(Line, PassesOverSetPointsWithoutSense) {
  fake_.changes_ = {change_of(1, -5.0), change_of(2, 6.0)};
  connect(0);

  const budget::LinkNews news = poll_until_news();

  ASSERT_EQ(news.changes.size(), 1U);
  EXPECT_EQ(news.changes[0].set_points.revision, 2);
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("make no sense")));
}

TEST_F(Line, FindsARestartedCoordinatorAndSendsWhatIsNotDurable) {
  fake_.is_durable_ = false;
  connect(0);
  submit(0, 9);
  ASSERT_TRUE(wait_for_records(10));
  server_.reset();
  ASSERT_TRUE(wait_for_status([](const auto& status) { return !status.is_registered; }));
  submit(10, 12);
  // It remembers the records up to 3, and went on to the next term.
  fake_.change([](auto& fake) {
    fake.term_ = 2;
    fake.records_.clear();
    fake.last_record_ = 3;
  });

  const auto begin = SteadyClock::now();
  serve();

  ASSERT_TRUE(wait_for_records(9));
  EXPECT_LT(SteadyClock::now() - begin, test::patience(milliseconds(1500)));
  EXPECT_EQ(fake_.steps(), numbers(4, 12));
  EXPECT_EQ(fake_.registrations_.back().seen_term, 1);
  EXPECT_EQ(fake_.registrations_.back().governor->next_step, Step{10});
  EXPECT_EQ(fake_.registrations_.back().process, fake_.registrations_.front().process);
  ASSERT_TRUE(wait_for_status([](const auto& status) { return status.term == 2; }));
  EXPECT_GE(line_->status().failed_calls, 1);
  EXPECT_THAT(lines_.all(), ElementsAre(HasSubstr("goes on without"), HasSubstr("there again")));
}

TEST_F(Line, RegistersAgainUnderAnotherTerm) {
  connect(1);
  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.heartbeats_.size() >= 2; }));

  fake_.change([](auto& fake) { fake.term_ = 5; });

  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.registrations_.size() == 2; }));
  EXPECT_EQ(fake_.registrations_.back().seen_term, 1);
  ASSERT_TRUE(wait_for_status([](const auto& status) { return status.term == 5; }));
}

TEST_F(Line, DoesNotObeyALowerTerm) {
  fake_.term_ = 7;
  connect(0);
  ASSERT_TRUE(wait_for_status([](const auto& status) { return status.term == 7; }));

  // A coordinator that has been replaced and does not know it.
  fake_.change([](auto& fake) {
    fake.term_ = 6;
    fake.checks_term_ = false;
    fake.changes_ = {change_of(1, 5.0)};
    fake.requests_ = {{.number = 1, .request = budget::Request::stop}};
  });

  ASSERT_TRUE(wait_for_status([](const auto& status) { return status.stale_terms >= 2; }));
  EXPECT_FALSE(line_->status().is_registered);
  EXPECT_EQ(line_->status().term, 7);
  EXPECT_THAT(line_->poll().changes, IsEmpty());
  EXPECT_EQ(line_->poll().requests, 0U);
}

TEST_F(Line, KeepsTheLastRecordsWhileNobodyIsThere) {
  server_.reset();
  connect(0);
  const auto begin = SteadyClock::now();
  submit(0, 1999);
  EXPECT_LT(SteadyClock::now() - begin, test::patience(milliseconds(500)));
  EXPECT_EQ(line_->status().dropped_records, 2000 - 1024);

  serve();

  ASSERT_TRUE(wait_for_records(1024));
  EXPECT_EQ(fake_.steps(), numbers(976, 1999));
}

TEST_F(Line, GivesUpARecordThatIsRefusedAndGoesOn) {
  fake_.on_report_ = [](const RecordReport& report) {
    for (const AuditedRecord& record : report.records) {
      if (record.record.step() == Step{5}) throw Refused(Reason::record, "no sense in record 5");
    }
  };
  connect(0);
  submit(0, 9);

  ASSERT_TRUE(wait_for_records(9));
  EXPECT_THAT(fake_.steps(), testing::Not(Contains(5)));
  EXPECT_EQ(line_->status().dropped_records, 1);
  EXPECT_GE(line_->status().refused_calls, 2);
  EXPECT_THAT(lines_.all(), Contains(HasSubstr("no sense in record 5")));
}

TEST_F(Line, AsksAnewWhereToGoOnWhenItsStepsAreRefused) {
  std::atomic<bool> is_confused = true;
  fake_.on_report_ = [&](const RecordReport& report) {
    if (is_confused.exchange(false) && !report.records.empty())
      throw Refused(Reason::step, "steps go back");
  };
  connect(0);
  submit(0, 9);

  ASSERT_TRUE(wait_for_records(10));
}

// The coordinator's own doubts about what rank 0 says it holds are no fault of a record.
TEST_F(Line, RegistersAgainBeforeItGivesUpARecord) {
  std::atomic<int> num_refused = 0;
  fake_.on_report_ = [&](const RecordReport& report) {
    if (!report.records.empty() && num_refused++ == 0)
      throw Refused(Reason::record, "holds a revision that is not known; register again");
  };
  connect(0);
  submit(0, 9);

  ASSERT_TRUE(wait_for_records(10));
  EXPECT_EQ(line_->status().dropped_records, 0);
  EXPECT_EQ(line_->status().registrations, 2);
}

// The report arrived, and its reply did not.
TEST_F(Line, DoesNotGoBackBehindRecordsThatMayHaveArrived) {
  std::atomic<bool> is_slow = true;
  fake_.on_report_ = [&](const RecordReport& report) {
    if (!report.records.empty() && is_slow.exchange(false))
      std::this_thread::sleep_for(test::patience(milliseconds(400)));
  };
  connect_to({.address = config_.listen, .deadline = test::patience(milliseconds(200))}, 0);
  submit(0, 0);

  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.registrations_.size() >= 2; }));
  EXPECT_EQ(fake_.registrations_.back().governor->next_step, Step{1});
  submit(1, 3);
  ASSERT_TRUE(wait_for_records(4));
}

TEST_F(Line, SaysAVerdictOnceAndThatItIsOver) {
  fake_.verdict_ = "rank 1 is stuck in dispatch";
  connect(0);
  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.heartbeats_.size() >= 3; }));
  fake_.change([](auto& fake) {
    fake.verdict_.clear();
    fake.heartbeats_.clear();
  });
  ASSERT_TRUE(fake_.wait_for([](const auto& fake) { return fake.heartbeats_.size() >= 2; }));

  EXPECT_THAT(lines_.all(), ElementsAre("rank 1 is stuck in dispatch", HasSubstr("goes on again")));
}

TEST_F(Line, SlowsDownWhenItIsTold) {
  std::atomic<int> num_calls = 0;
  fake_.on_heartbeat_ = [&](const Heartbeat&) {
    ++num_calls;
    throw Refused(Reason::too_often, "slower");
  };
  connect(1);
  ASSERT_TRUE(wait_for_status([](const auto& status) { return status.refused_calls >= 1; }));
  std::this_thread::sleep_for(milliseconds(400));

  EXPECT_EQ(num_calls, 1);
  EXPECT_TRUE(line_->status().is_registered);
}

TEST_F(Line, SaysFarewellAfterTheLastRecord) {
  connect(0);
  submit(0, 199);

  line_->farewell(Departure::drained, "walltime", test::patience(seconds(5)));

  ASSERT_EQ(fake_.farewells_.size(), 1U);
  EXPECT_EQ(fake_.farewells_[0].departure, Departure::drained);
  EXPECT_EQ(fake_.farewells_[0].reason, "walltime");
  EXPECT_EQ(fake_.records_.size(), 200U);
  const std::size_t num_heartbeats = fake_.heartbeats_.size();
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(fake_.heartbeats_.size(), num_heartbeats);
}

TEST_F(Line, WaitsForAFarewellNoLongerThanItMay) {
  server_.reset();
  connect(0);
  submit(0, 9);
  const auto begin = SteadyClock::now();

  line_->farewell(Departure::done, "", milliseconds(100));

  EXPECT_LT(SteadyClock::now() - begin, test::patience(milliseconds(500)));
}

TEST_F(Line, GoesThroughItsOwnProcessWithoutANetwork) {
  connect_to({.in_process = server_.get()}, 0);
  submit(0, 9);

  ASSERT_TRUE(wait_for_records(10));
  line_->farewell(Departure::done, "", test::patience(seconds(5)));
  EXPECT_EQ(fake_.farewells_.size(), 1U);
  line_.reset();
}

TEST_F(Line, IsOneOfMany) {
  std::vector<std::unique_ptr<RankLine>> lines;
  for (int rank = 0; rank < 64; ++rank) {
    connect(rank);
    lines.push_back(std::move(line_));
  }

  ASSERT_TRUE(fake_.wait_for([](const auto& fake) {
    std::vector<int> num_of(64);
    for (const auto& beat : fake.heartbeats_) ++num_of[std::size_t(beat.process.rank.value)];
    return *std::min_element(num_of.begin(), num_of.end()) >= 2;
  }));
}

/// A port that takes connections and says nothing.
class SilentPort {
 public:
  SilentPort() {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    descriptor_ = ::socket(AF_INET, SOCK_STREAM, 0);
    ::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(descriptor_, 8);
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;
  ~SilentPort() { ::close(descriptor_); }

  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  int descriptor_ = -1;
  std::string address_;
};

TEST_F(Line, NeverLetsTheStepWaitForACoordinatorThatDoesNotAnswer) {
  const SilentPort port;
  connect_to({.address = port.address(), .deadline = milliseconds(200)}, 0);

  const auto begin = SteadyClock::now();
  for (int step = 0; step < 100; ++step) {
    submit(step, step);
    EXPECT_THAT(line_->poll().changes, IsEmpty());
  }
  EXPECT_LT(SteadyClock::now() - begin, test::patience(milliseconds(100)));
  ASSERT_TRUE(wait_for_status([](const auto& status) { return status.failed_calls >= 2; }));
  EXPECT_FALSE(line_->status().last_error.empty());
}

TEST_F(Line, EndsAtOnceInTheMiddleOfACall) {
  std::atomic<bool> is_inside = false;
  fake_.on_heartbeat_ = [&](const Heartbeat&) {
    is_inside = true;
    std::this_thread::sleep_for(test::patience(milliseconds(1500)));
  };
  connect_to({.address = config_.listen, .deadline = seconds(600)}, 1);
  while (!is_inside) std::this_thread::yield();
  const auto begin = SteadyClock::now();

  line_.reset();

  EXPECT_LT(SteadyClock::now() - begin, test::patience(milliseconds(700)));
}

}  // namespace
}  // namespace softmoe::coordinator
