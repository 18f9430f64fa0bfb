// A rank fails, in each way there is: the job ends soon and with an error, the others say why, and
// nobody stays behind.

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/deadline.h"
#include "tests/support/patience.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

struct Job {
  int status = 0;
  std::string output;
  std::chrono::steady_clock::duration duration{};
};

/// Runs a job of three ranks, of which rank 1 fails in the given way.
Job run_job(const std::string& way) {
  const std::string command =
      std::string(SOFTMOE_MPIRUN) + " -n 3 " + SOFTMOE_FAILING_RANK + " " + way + " 2>&1";
  Job job;
  const auto start = std::chrono::steady_clock::now();
  FILE* pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::array<char, 4096> chunk{};
  while (const std::size_t read = std::fread(chunk.data(), 1, chunk.size(), pipe))
    job.output.append(chunk.data(), read);
  job.status = pclose(pipe);
  job.duration = std::chrono::steady_clock::now() - start;
  std::fputs(job.output.c_str(), stdout);
  return job;
}

/// The processes that the ranks said they are.
std::vector<pid_t> processes_of(const Job& job) {
  std::vector<pid_t> processes;
  std::istringstream lines(job.output);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t place = line.find("pid ");
    if (place != std::string::npos) processes.push_back(std::stoi(line.substr(place + 4)));
  }
  return processes;
}

/// Whether it still runs. One that has ended but that nobody has asked about is a zombie: over.
bool is_running(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  if (!std::getline(file, stat)) return false;
  // "pid (name) state ...", and the name may hold anything.
  const std::size_t state = stat.rfind(')') + 2;
  return stat.at(state) != 'Z' && stat.at(state) != 'X';
}

/// Whether it ends within a short time: mpirun returns as soon as it has sent its signals.
bool ends_soon(pid_t process) {
  const Deadline deadline = Deadline::in(patience(3s));
  while (is_running(process)) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

void expect_soon_over_with_nobody_left(const Job& job) {
  EXPECT_TRUE(WIFEXITED(job.status));
  EXPECT_NE(WEXITSTATUS(job.status), 0);
  EXPECT_LT(job.duration, patience(10s));
  const std::vector<pid_t> processes = processes_of(job);
  EXPECT_THAT(processes, SizeIs(3));
  for (const pid_t process : processes) EXPECT_TRUE(ends_soon(process)) << process;
}

TEST(MpiJob, EndsWithTheCodeOfARankThatExits) {
  const Job job = run_job("exit");

  expect_soon_over_with_nobody_left(job);
  EXPECT_EQ(WEXITSTATUS(job.status), 7);
}

TEST(MpiJob, EndsWhenARankIsKilled) {
  const Job job = run_job("kill");

  expect_soon_over_with_nobody_left(job);
}

TEST(MpiJob, NamesTheRankThatHangsWithTheOperationAndTheLimit) {
  const Job job = run_job("hang");

  expect_soon_over_with_nobody_left(job);
  const std::string limit = std::to_string(patience(2s).count());
  EXPECT_THAT(job.output, HasSubstr("waited for rank 1 longer than the limit of " + limit + " ms"));
  EXPECT_THAT(job.output, HasSubstr("CommError all_gather: rank 0 "));
  EXPECT_THAT(job.output, HasSubstr("CommError all_gather: rank 2 "));
}

TEST(MpiJob, TellsAllWhoGaveUp) {
  const Job job = run_job("abort");

  expect_soon_over_with_nobody_left(job);
  EXPECT_THAT(job.output, HasSubstr("rank 0 stops because rank 1 gave up"));
  EXPECT_THAT(job.output, HasSubstr("rank 2 stops because rank 1 gave up"));
}

TEST(MpiJob, DoesNotWaitInFinalizeForARankThatThrows) {
  const Job job = run_job("throw");

  expect_soon_over_with_nobody_left(job);
  EXPECT_THAT(job.output, HasSubstr("rank 0 stops because rank 1 gave up: an exception passes"));
  EXPECT_THAT(job.output, HasSubstr("rank 2 stops because rank 1 gave up: an exception passes"));
}

}  // namespace
}  // namespace softmoe::test
