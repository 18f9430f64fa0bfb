#include "runtime/metrics/process_metrics.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <random>
#include <string>

#include "runtime/metrics/process_numbers.h"

namespace softmoe::metrics {
namespace {

using testing::HasSubstr;
using testing::Optional;

constexpr const char* kStatus =
    "Name:\tsoftmoe\nVmPeak:\t  9000 kB\nVmSize:\t  4000 kB\nVmRSS:\t   120 kB\nThreads:\t7\n";
constexpr const char* kLimits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max open files            1024                 1048576              files     \n";

std::string stat_of(const std::string& name) {
  return "4242 (" + name +
         ") S 1 4242 4242 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 7 0 1200 4096000 30 "
         "18446744073709551615 1 1 0 0 0 0 0 0 0\n";
}

TEST(ProcessNumbers, AreReadFromTheFilesOfProc) {
  const std::string stat = stat_of("softmoe");

  const ProcessNumbers numbers = parse_process({.stat = stat,
                                                .status = kStatus,
                                                .limits = kLimits,
                                                .system_stat = "cpu  1 2 3\nbtime 1700000000\n",
                                                .ticks_per_second = 100});

  EXPECT_THAT(numbers.resident_bytes, Optional(120 * 1024.0));
  EXPECT_THAT(numbers.virtual_bytes, Optional(4000 * 1024.0));
  EXPECT_THAT(numbers.cpu_seconds, Optional(3.0));
  EXPECT_THAT(numbers.start_time_seconds, Optional(1700000012.0));
  EXPECT_THAT(numbers.threads, Optional(7.0));
  EXPECT_THAT(numbers.max_fds, Optional(1024.0));
}

TEST(ProcessNumbers, AreNotMisledByTheNameOfTheCommand) {
  for (const char* name : {"a b", ") S 1 1 1", "((", "))", "a) R 9 9 (b", "", "line\nbreak", " "}) {
    const std::string stat = stat_of(name);

    const ProcessNumbers numbers = parse_process({.stat = stat, .system_stat = "btime 5\n"});

    EXPECT_THAT(numbers.cpu_seconds, Optional(3.0)) << name;
    EXPECT_THAT(numbers.start_time_seconds, Optional(17.0)) << name;
  }
}

TEST(ProcessNumbers, AreAbsentWhereAFileIsCutShort) {
  const std::string stat = stat_of("softmoe");
  const std::size_t start_time = stat.find(" 1200 ");

  for (std::size_t length = 0; length <= start_time; ++length) {
    const ProcessNumbers numbers =
        parse_process({.stat = std::string_view(stat).substr(0, length), .system_stat = "btime 5"});
    EXPECT_EQ(numbers.start_time_seconds, std::nullopt) << length;
  }
  EXPECT_EQ(parse_process({.status = "VmRSS:\n"}).resident_bytes, std::nullopt);
  EXPECT_EQ(parse_process({.status = "VmRSS: -3 kB\n"}).resident_bytes, std::nullopt);
  EXPECT_EQ(parse_process({.status = "Name:\tVmRSS: 5 kB\n"}).resident_bytes, std::nullopt);
  EXPECT_EQ(parse_process({.status = "Threads:\t99999999999999999999\n"}).threads, std::nullopt);
}

TEST(ProcessNumbers, KnowThatThereIsNoLimit) {
  const ProcessNumbers numbers =
      parse_process({.limits = "Max open files            unlimited            unlimited\n"});

  EXPECT_THAT(numbers.max_fds, Optional(INFINITY));
}

TEST(ProcessNumbers, ComeOutOfAnyBytesWithoutHarm) {
  std::mt19937 random(7);
  const std::string whole = stat_of("x") + kStatus + kLimits;
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text = whole.substr(random() % whole.size());
    for (int i = 0; i < 8; ++i) text[random() % text.size()] = static_cast<char>(random());

    (void)parse_process({.stat = text, .status = text, .limits = text, .system_stat = text});
  }
}

TEST(ProcessNumbers, OfThisProcessAgreeWithTheSystem) {
  const ProcessNumbers before = look_up_process();
  const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const ProcessNumbers after = look_up_process();
  ::close(descriptor);

  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_EQ(after.open_fds.value(), before.open_fds.value() + 1);
  EXPECT_EQ(after.max_fds.value(), static_cast<double>(limit.rlim_cur));
  EXPECT_GT(after.resident_bytes.value(), 1e6);
  EXPECT_GE(after.virtual_bytes.value(), after.resident_bytes.value());
  EXPECT_GE(after.threads.value(), 1);
  EXPECT_NEAR(after.start_time_seconds.value(), now, 1000);
}

TEST(ProcessMetrics, StandOnThePage) {
  Registry registry(Labels{{"run", "night"}});

  add_process_metrics(registry);

  const std::string page = registry.page();
  for (const char* name : {"process_resident_memory_bytes", "process_virtual_memory_bytes",
                           "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
                           "process_start_time_seconds", "process_threads"}) {
    EXPECT_THAT(page, HasSubstr(std::string("\n") + name + "{run=\"night\"} ")) << page;
  }
}

TEST(ProcessMetrics, CountProcessorTimeOnceHoweverOftenTheyAreAdded) {
  // The system counts in hundredths: enough of them that twice is told from once.
  while (look_up_process().cpu_seconds.value() < 0.2) {
  }
  Registry registry({});
  add_process_metrics(registry);
  add_process_metrics(registry);

  (void)registry.page();
  (void)registry.page();

  const double counted = registry
                             .counter({.name = "process_cpu_seconds_total",
                                       .kind = Kind::counter,
                                       .help = "Processor time, user and system"})
                             .value();
  EXPECT_GE(counted, 0.2);
  EXPECT_NEAR(counted, look_up_process().cpu_seconds.value(), 0.1);
}

}  // namespace
}  // namespace softmoe::metrics
