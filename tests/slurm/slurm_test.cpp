// `softmoe submit slurm` and the batch script on a real Slurm: a run to its end, and every other
// way to end.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/slurm/slurm_cluster.h"
#include "tests/support/patience.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Far more steps than a test waits for.
constexpr const char* kEndless = "training.steps=1000000";

class Slurm : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_cluster()) {
      const char* ci = std::getenv("CI");
      if (ci != nullptr && std::string(ci) == "true") FAIL() << *why;
      GTEST_SKIP() << *why;
    }
    cluster_ = std::make_unique<SlurmCluster>();
    place_ = std::make_unique<Workplace>();
    site({});
  }

  void TearDown() override {
    if (!cluster_) return;
    EXPECT_THAT(cluster_->end(), IsEmpty());
  }

  /// Writes site.env: what the tests need, and above it the given lines.
  void site(const Words& lines) {
    std::string text = fmt::format("SOFTMOE_PROGRAM={}\n", SOFTMOE_PROGRAM);
    for (const std::string& line : lines) text += line + "\n";
    write_file(*place_ / "site.env", text);
  }

  /// A program to be run in place of softmoe where ranks are trained.
  void stand_in(const std::string& lines) {
    const std::filesystem::path file = *place_ / "stand_in.sh";
    write_file(file, fmt::format("#!/bin/bash\n[ \"$1\" = train ] || exec {} \"$@\"\n{}\n",
                                 SOFTMOE_PROGRAM, lines));
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    site({"SOFTMOE_PROGRAM=" + file.string()});
  }

  [[nodiscard]] Ended on_head(const Words& words) const {
    return cluster_->on("head", words, *place_ / "");
  }

  [[nodiscard]] Ended submit_slurm(const Words& words) const {
    return on_head(Words{SOFTMOE_PROGRAM, "submit", "slurm", "-c", "config.yaml"} + words);
  }

  /// Submits a job named `job`. @return its number
  [[nodiscard]] std::string submit(const Words& words) const {
    const Ended submitted = submit_slurm(Words{"--name", "job"} + words);
    EXPECT_EQ(submitted.code, 0) << submitted.output;
    EXPECT_THAT(submitted.output, testing::StartsWith("job "));
    return submitted.output.substr(4, submitted.output.find(':') - 4);
  }

  [[nodiscard]] std::string folder(const std::string& id, int attempt = 0) const {
    return fmt::format("runs/job-{}/attempt-{}", id, attempt);
  }

  /// What the batch script wrote, and what srun did.
  [[nodiscard]] std::string output(const std::string& id) const {
    return read_file(*place_ / fmt::format("runs/job-{}.out", id));
  }

  /// The coordinator's status, asked for from another machine; waits until `is_wanted` is true.
  json wait_for_status(const std::string& run, const std::function<bool(const json&)>& is_wanted) {
    const auto deadline = std::chrono::steady_clock::now() + patience(90s);
    Ended last;
    while (std::chrono::steady_clock::now() < deadline) {
      last = on_head({SOFTMOE_PROGRAM, "ctl", "status", run, "--json"});
      if (last.code == 0 && is_wanted(json::parse(last.output))) return json::parse(last.output);
      std::this_thread::sleep_for(50ms);
    }
    ADD_FAILURE() << "the status never was as wanted; the last: " << last.output;
    return {};
  }

  json wait_for_step(const std::string& run, std::int64_t step) {
    return wait_for_status(run, [step](const json& status) {
      return status["last_record"].get<std::int64_t>() >= step;
    });
  }

  /// Whether nothing of a job runs any more on any node.
  void expect_no_process_of(const std::string& id) const {
    EXPECT_THAT(processes_with(fmt::format("runs/job-{}/", id)), IsEmpty());
  }

  /// A page, asked for from another machine. @param of  the file in the run folder that says where
  [[nodiscard]] std::string get(const std::string& of, const std::string& id,
                                const std::string& path) const {
    std::string address = read_file(*place_ / (folder(id) + "/" + of));
    while (address.ends_with('\n')) address.pop_back();
    const std::size_t colon = address.rfind(':');
    const Ended ended = on_head({"bash", "-c",
                                 "exec 3<>/dev/tcp/$0/$1; printf 'GET %s HTTP/1.1\\r\\nHost: "
                                 "%s\\r\\nConnection: close\\r\\n"
                                 "\\r\\n' $2 $0 >&3; cat <&3",
                                 address.substr(0, colon), address.substr(colon + 1), path});
    EXPECT_EQ(ended.code, 0) << address << ": " << ended.output;
    return ended.output;
  }

  /// Until no node has anything of a step or a batch script left, and Slurm has taken note.
  void wait_for_no_step() const {
    const auto deadline = std::chrono::steady_clock::now() + patience(90s);
    while (on_head({"pgrep", "-f", "^slurmstepd: \\["}).code == 0) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(100ms);
    }
    std::this_thread::sleep_for(2s);
  }

  std::unique_ptr<SlurmCluster> cluster_;
  std::unique_ptr<Workplace> place_;
};

std::vector<std::string> hosts_of(const json& status) {
  std::vector<std::string> hosts;
  for (const json& rank : status["ranks"])
    hosts.push_back(
        fmt::format("{} {}", rank["state"].get<std::string>(), rank["host"].get<std::string>()));
  return hosts;
}

TEST_F(Slurm, TrainsTheSameRunOnFourNodesAsOnOneRank) {
  place_->train("alone", {"training.steps=60"});

  const std::string id = submit({"--nodes", "4", "training.steps=60"});
  const json status = wait_for_step(folder(id), 1);
  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_THAT(hosts_of(status),
              ElementsAre("alive node1", "alive node2", "alive node3", "alive node4"));
  EXPECT_EQ(job.at("JobState"), "COMPLETED") << output(id);
  const std::vector<double> alone = place_->losses("alone");
  const std::vector<double> together = place_->losses(folder(id));
  ASSERT_EQ(together.size(), 60U);
  for (std::size_t step = 0; step < alone.size(); ++step)
    EXPECT_NEAR(together[step], alone[step], 1e-5 * alone[step]) << "step " << step;
  EXPECT_THAT(read_file(*place_ / (folder(id) + "/launch.txt")),
              HasSubstr("srun --mpi=pmix --nodes=4 --ntasks=4"));
  expect_no_process_of(id);
}

TEST_F(Slurm, AKilledRankEndsTheJobForGood) {
  const std::string id = submit({"--nodes", "4", kEndless});
  const json status = wait_for_step(folder(id), 3);
  const std::string victim = status["ranks"][2]["process_id"].dump();
  ASSERT_EQ(on_head({"kill", "-9", victim}).code, 0);

  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_EQ(job.at("JobState"), "FAILED");
  EXPECT_EQ(job.at("ExitCode"), "137:0");
  EXPECT_EQ(job.at("Restarts"), "0");
  EXPECT_THAT(output(id), HasSubstr("code 137: not restarted"));
  expect_no_process_of(id);
}

TEST_F(Slurm, TheTimeLimitSavesAndStartsAgainWhileRestartsAreLeft) {
  // Slurm sends the signal up to 60 s early: 10 to 70 s from now.
  site({"SOFTMOE_SAVE_SECONDS=50"});
  const std::string id = submit({"--nodes", "4", "--time", "2", kEndless});

  const JobFields requeued = cluster_->wait_for_end(id);

  EXPECT_EQ(requeued.at("JobState"), "PENDING") << output(id);
  EXPECT_EQ(requeued.at("Restarts"), "1");
  EXPECT_THAT(output(id), HasSubstr("signal USR1"));
  EXPECT_THAT(output(id), HasSubstr("code 75: requeued for restart 1 of 1"));
  EXPECT_THAT(read_file(*place_ / (folder(id) + "/events.jsonl")), HasSubstr("\"drained\""));
  EXPECT_EQ(place_->softmoe({"eval", folder(id), "--sequences", "2"}).code, 0);
  expect_no_process_of(id);

  // A requeued job waits for two minutes, and for a reason: while nodes still clean up after its
  // last attempt, the next one fails there.
  wait_for_no_step();
  ASSERT_EQ(on_head({"scontrol", "update", "jobid=" + id, "timelimit=60", "starttime=now"}).code,
            0);
  wait_for_step(folder(id, 1), 1);
  ASSERT_EQ(on_head({"scancel", "--batch", "--signal=USR1", id}).code, 0) << output(id);
  const JobFields ended = cluster_->wait_for_job(
      id, [](const JobFields& job) { return job.at("JobState") == "FAILED"; });

  EXPECT_EQ(ended.at("ExitCode"), "75:0");
  EXPECT_THAT(output(id), HasSubstr("code 75: no restart is left of 1"));
  EXPECT_TRUE(exists(*place_ / (folder(id, 1) + "/model.safetensors")));
  expect_no_process_of(id);
}

TEST_F(Slurm, AJobThatIsPreemptedSavesFirst) {
  const std::string id = submit({"--nodes", "4", kEndless});
  wait_for_step(folder(id), 1);

  const Ended urgent = on_head({"sbatch", "--parsable", "--partition=urgent", "--nodes=4",
                                "--exclusive", "--output=/dev/null", "--wrap=true"});
  ASSERT_EQ(urgent.code, 0) << urgent.output;
  const JobFields preempted = cluster_->wait_for_end(id);

  EXPECT_EQ(preempted.at("JobState"), "PENDING") << output(id);
  EXPECT_EQ(preempted.at("Restarts"), "1");
  EXPECT_THAT(read_file(*place_ / (folder(id) + "/events.jsonl")), HasSubstr("\"drained\""));
}

TEST_F(Slurm, CodesOtherThan75AreFinal) {
  for (const int code : {93, 78, 70}) {
    // Rank 0 leaves first, as after an error that all ranks share.
    stand_in(fmt::format("[ \"$SLURM_PROCID\" = 0 ] || sleep 2\nexit {}", code));
    const std::string id = submit({"--nodes", "4"});

    const JobFields job = cluster_->wait_for_end(id);

    EXPECT_EQ(job.at("JobState"), "FAILED");
    EXPECT_EQ(job.at("ExitCode"), fmt::format("{}:0", code)) << output(id);
    EXPECT_EQ(job.at("Restarts"), "0");
    EXPECT_THAT(output(id), HasSubstr(fmt::format("code {}: not restarted", code)));
    expect_no_process_of(id);
  }
}

TEST_F(Slurm, ARankThatCrashesGivesItsSignalAsTheCode) {
  stand_in("[ \"$SLURM_PROCID\" = 1 ] && kill -SEGV $$\nsleep 60");

  const std::string id = submit({"--nodes", "4"});
  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_EQ(job.at("ExitCode"), "139:0") << output(id);
  EXPECT_EQ(job.at("Restarts"), "0");
  expect_no_process_of(id);
}

TEST_F(Slurm, ACoordinatorThatRefusesEndsTheJobWithItsCode) {
  const std::string id = submit({"--nodes", "4", "coordinator.listen=192.0.2.1:0"});

  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_EQ(job.at("ExitCode"), "78:0") << output(id);
  EXPECT_THAT(output(id), HasSubstr("the coordinator did not start (code 78)"));
  expect_no_process_of(id);
}

TEST_F(Slurm, StartsRanksByMpirunWhereSrunHasNoPmix) {
  const std::filesystem::path bin = *place_ / "bin";
  std::filesystem::create_directory(bin);
  write_file(bin / "srun",
             "#!/bin/bash\n[ \"$1\" = --mpi=list ] && echo 'none pmi2' && exit\n"
             "exec /usr/bin/srun \"$@\"\n");
  std::filesystem::permissions(bin / "srun", std::filesystem::perms::owner_all);
  site({"SOFTMOE_PATH=" + bin.string()});

  const std::string id = submit({"--nodes", "4", "--ranks-per-node", "2"});
  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_EQ(job.at("JobState"), "COMPLETED") << output(id);
  EXPECT_THAT(output(id), HasSubstr("ranks by mpirun"));
  EXPECT_EQ(place_->losses(folder(id)).size(), 5U);
}

TEST_F(Slurm, MpirunsJobsSaveToo) {
  site({"SOFTMOE_LAUNCHER=mpirun"});
  const std::string id = submit({"--nodes", "2", kEndless});
  wait_for_step(folder(id), 1);

  ASSERT_EQ(on_head({"scancel", "--batch", "--signal=USR1", id}).code, 0);
  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_EQ(job.at("JobState"), "PENDING") << output(id);
  EXPECT_EQ(job.at("Restarts"), "1");
  EXPECT_THAT(read_file(*place_ / (folder(id) + "/events.jsonl")), HasSubstr("\"drained\""));
  expect_no_process_of(id);
}

TEST_F(Slurm, EveryRankSeesAllGpusAndItsProcessors) {
  stand_in(
      "echo \"$CUDA_VISIBLE_DEVICES $SLURM_CPUS_PER_TASK $SLURM_PMIX_FENCE\" "
      ">$SLURM_SUBMIT_DIR/rank-$SLURM_PROCID");

  const std::string id = submit({"--nodes", "2", "--gpus-per-node", "2", "runtime.threads=2"});
  const JobFields job = cluster_->wait_for_end(id);

  EXPECT_EQ(job.at("JobState"), "COMPLETED") << output(id);
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_EQ(read_file(*place_ / fmt::format("rank-{}", rank)), "0,1 2 ring\n");
}

/// The files in a folder.
std::vector<std::string> files_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST_F(Slurm, MetricsAreReachedFromElsewhereAndTargetsGoWithTheJob) {
  const std::filesystem::path targets = *place_ / "targets";
  std::filesystem::create_directory(targets);
  site({"SOFTMOE_METRICS_LISTEN=0.0.0.0:0", "SOFTMOE_TARGETS_FOLDER=" + targets.string()});
  const std::string id = submit({"--nodes", "4", kEndless});
  const json status = wait_for_step(folder(id), 1);

  for (const std::string of : {"metrics_address", "coordinator/metrics_address"}) {
    const std::string page = get(of, id, "/metrics");
    EXPECT_THAT(page, HasSubstr(fmt::format("run=\"job-{}\"", id))) << of;
    const std::string sd = get(of, id, "/sd");
    for (const char* node : {"node1:", "node2:", "node3:", "node4:"})
      EXPECT_THAT(sd, HasSubstr(node)) << of;
  }
  const std::string file = fmt::format("softmoe-job-{}-coordinator.json", id);
  EXPECT_THAT(files_in(targets), ElementsAre(file));
  // The coordinator renews the file now and then.
  const auto num_targets = [&] { return json::parse(read_file(targets / file)).size(); };
  const auto deadline = std::chrono::steady_clock::now() + patience(30s);
  while (num_targets() < 5 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(50ms);
  EXPECT_EQ(num_targets(), 5U) << "four ranks and the coordinator";

  // Neither has time to take it away: the batch script does.
  ASSERT_EQ(on_head({"pkill", "-9", "-f", "^[^ ]*softmoe coordinator "}).code, 0);
  ASSERT_EQ(on_head({"kill", "-9", status["ranks"][0]["process_id"].dump()}).code, 0);
  cluster_->wait_for_end(id);

  EXPECT_THAT(files_in(targets), IsEmpty());
}

/// Every path in the folder, with when it was written.
std::map<std::string, std::filesystem::file_time_type> all_of(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::file_time_type> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    files[entry.path().string()] = entry.last_write_time();
  return files;
}

TEST_F(Slurm, ADryRunSaysEverythingAndTouchesNothing) {
  const auto before = all_of(*place_ / "");

  const Ended ended = submit_slurm({"--nodes", "4", "--dry-run", "data.corpus=corpus"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("sbatch --parsable --job-name=softmoe --nodes=4 --ntasks=4"));
  EXPECT_THAT(ended.output, HasSubstr("#SBATCH --requeue"));
  EXPECT_THAT(ended.output, HasSubstr("SOFTMOE_PROGRAM="));
  EXPECT_EQ(all_of(*place_ / ""), before);
  EXPECT_THAT(on_head({"scontrol", "show", "jobs"}).output, HasSubstr("No jobs"));
}

TEST_F(Slurm, WhatCannotRunIsNotSubmitted) {
  site({"SOFTMOE_LAUNCHER=orted"});

  const Ended ended =
      submit_slurm({"--nodes", "8", "--runs", "config.yaml/runs", "data.corpus=nowhere"});

  EXPECT_EQ(ended.code, 78);
  EXPECT_THAT(ended.output, HasSubstr("partition train has 4 nodes that work, the job wants 8"));
  EXPECT_THAT(ended.output, HasSubstr("cannot read nowhere/corpus.json"));
  EXPECT_THAT(ended.output, HasSubstr("config.yaml/runs cannot be made"));
  EXPECT_THAT(ended.output, HasSubstr("SOFTMOE_LAUNCHER is 'orted'"));
  EXPECT_EQ(submit_slurm({"--nodes", "3"}).code, 78) << "8 experts do not spread over 3 ranks";
  EXPECT_EQ(submit_slurm({"--nodes", "1", "--partition", "closed"}).code, 78);
  EXPECT_EQ(submit_slurm({"--nodes", "1", "--partition", "nope"}).code, 78);
  EXPECT_THAT(on_head({"scontrol", "show", "jobs"}).output, HasSubstr("No jobs"));
}

TEST(SlurmScripts, AreClean) {
  if (!std::filesystem::exists("/usr/bin/shellcheck")) {
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string(ci) == "true") FAIL() << "install shellcheck";
    GTEST_SKIP() << "install shellcheck";
  }
  const Ended ended =
      run_program({.words = {"/usr/bin/shellcheck", "deploy/slurm/train.sbatch",
                             "deploy/slurm/site.env", "tests/slurm/cluster.sh", "dev"},
                   .directory = SOFTMOE_SOURCE_DIR});

  EXPECT_EQ(ended.code, 0) << ended.output;
}

}  // namespace
}  // namespace softmoe::test
