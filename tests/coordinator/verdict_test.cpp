// A rank that gets stuck, in every phase: the verdict names it, and where.

#include <gmock/gmock.h>
#include <signal.h>

#include "runtime/base/progress.h"
#include "tests/coordinator/supervised_run.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kRanks = 4;
constexpr int kStuck = 2;

/// Short floors, as a test can wait.
const Words kImpatient = {"training.steps=100000", "coordinator.heartbeat_seconds=0.1",
                          "coordinator.silence_seconds=1", "coordinator.stall_seconds=1"};

/// The same for a run that goes through `phase` at all.
Words impatient(const std::string& phase) {
  if (phase == "feed_forward") return kImpatient + Words{"model.dense_layers=1"};
  if (phase == "storage") return kImpatient + Words{"training.save_every=1"};
  return kImpatient;
}

/// Ends what a stopped rank keeps: it would never leave by itself.
class Job {
 public:
  Job(const Workplace& place, const std::string& phase, const std::string& how)
      : place_(place), run_(command(place, phase, how), 120s) {}
  ~Job() {
    const auto status = status_of(place_);
    if (!status) return;
    for (const json& rank : (*status)["ranks"]) {
      const pid_t process = rank["process_id"];
      if (process > 0) ::kill(process, SIGKILL);
    }
    (void)run_.wait();
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

 private:
  static Command command(const Workplace& place, const std::string& phase, const std::string& how) {
    Command job = supervised_train(place, kRanks, "run-" + phase + how, impatient(phase));
    // Ours in the place of `softmoe train -c config.yaml`.
    const auto program = std::find(job.words.begin(), job.words.end(), SOFTMOE_PROGRAM);
    *program = SOFTMOE_STOPPING_RANK;
    job.words.erase(program + 1, program + 4);
    job.words.insert(program + 1, {std::to_string(kStuck), phase, "3", how});
    return job;
  }

  const Workplace& place_;
  RunningProgram run_;
};

bool says(const json& status, const std::string& words) {
  return status["verdict"].get<std::string>().find(words) != std::string::npos;
}

const auto kNameOfPhase = [](const auto& phase) { return std::string(name_of(phase.param)); };

class VerdictOnStopIn : public testing::TestWithParam<Phase> {};

TEST_P(VerdictOnStopIn, NamesTheRankAndWhereItWasLastSeen) {
  const std::string phase(name_of(GetParam()));
  const Workplace place;
  CoordinatorProcess coordinator(place, kRanks, impatient(phase));
  const Job job(place, phase, "stop");

  const json status = wait_for_status(
      place, [](const json& now) { return says(now, "rank 2 ") && says(now, "silent"); });

  EXPECT_THAT(
      status["verdict"].get<std::string>(),
      AllOf(HasSubstr("last seen in " + phase), HasSubstr("operation"), HasSubstr(" wait")));
  EXPECT_EQ(status["ranks"][kStuck]["phase"], phase);
  EXPECT_EQ(status["ranks"][kStuck]["state"], "silent");
}

INSTANTIATE_TEST_SUITE_P(Phases, VerdictOnStopIn,
                         testing::Values(Phase::data, Phase::embedding, Phase::attention,
                                         Phase::router, Phase::pack, Phase::counts, Phase::dispatch,
                                         Phase::experts, Phase::combine, Phase::feed_forward,
                                         Phase::loss, Phase::reduce, Phase::optimizer,
                                         Phase::gather, Phase::storage),
                         kNameOfPhase);

// Inside an exchange nobody can tell from outside who of those that have entered it hangs.
class VerdictOnHangIn : public testing::TestWithParam<Phase> {};

TEST_P(VerdictOnHangIn, NamesTheRankAndWhatItNeverEntered) {
  const std::string phase(name_of(GetParam()));
  const Workplace place;
  CoordinatorProcess coordinator(place, kRanks, kImpatient);
  const Job job(place, phase, "hang");

  const json status = wait_for_status(place, [](const json& now) { return says(now, "rank 2 "); });

  EXPECT_THAT(status["verdict"].get<std::string>(),
              AllOf(HasSubstr("rank 2 "), HasSubstr("from " + phase), HasSubstr("operation"),
                    HasSubstr("which rank 2 has not entered"), Not(HasSubstr("silent"))));
  EXPECT_EQ(status["ranks"][kStuck]["phase"], phase);
  EXPECT_GE(status["alarm_counts"]["hang"].get<int>(), 1);
}

INSTANTIATE_TEST_SUITE_P(Phases, VerdictOnHangIn,
                         testing::Values(Phase::data, Phase::attention, Phase::router,
                                         Phase::experts, Phase::optimizer),
                         kNameOfPhase);

TEST(Verdict, NamesARankThatWasStoppedAndTakesItBackWhenItGoesOn) {
  const Workplace place;
  CoordinatorProcess coordinator(place, kRanks, kImpatient);
  RunningProgram run(supervised_train(place, kRanks, "run", kImpatient), 200s);
  const json before = wait_for_step(place, 5);
  const pid_t stopped = before["ranks"][kStuck]["process_id"];
  ASSERT_GT(stopped, 0);

  ASSERT_EQ(::kill(stopped, SIGSTOP), 0);
  const json status = wait_for_status(
      place, [](const json& now) { return says(now, "rank 2 ") && says(now, "silent"); });
  ASSERT_EQ(::kill(stopped, SIGCONT), 0);
  const json after = wait_for_status(place, [](const json& now) { return now["verdict"] == ""; });
  EXPECT_EQ(ctl(place, "drain", {"--yes"}).code, 0);
  const Ended trained = run.wait();

  EXPECT_THAT(
      status["verdict"].get<std::string>(),
      AllOf(HasSubstr("rank 2 "), HasSubstr("silent"), HasSubstr("operation"), HasSubstr(" wait")));
  EXPECT_EQ(status["ranks"][kStuck]["state"], "silent");
  EXPECT_EQ(after["ranks"][kStuck]["state"], "alive");
  EXPECT_EQ(trained.code, 75) << trained.output;
}

}  // namespace
}  // namespace softmoe::test
