// `softmoe report` as its users call it.

#include <gmock/gmock.h>

#include <csignal>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ReportCommand, WritesWhereItIsTold) {
  const Workplace place;
  place.train("run");

  const Ended ended = place.softmoe({"report", "run", "--output", "page.html"});

  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.output, "page.html\n");
  EXPECT_FALSE(exists(place / "run/report.html"));
  const std::string page = read_file(place / "page.html");
  for (const char* part : {"finished", "5 of 5", "vocabulary: 300"}) {
    EXPECT_TRUE(page.find(part) != std::string::npos) << part;
  }
}

TEST(ReportCommand, ShowsExamples) {
  const Workplace place;

  const Ended ended = place.softmoe({"report", "--help"});

  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("Examples"), HasSubstr("softmoe report runs/demo")));
}

TEST(ReportCommand, ReplacesAnOldReport) {
  const Workplace place;
  place.train("run");
  write_file(place / "run/report.html", "old");

  const Ended ended = place.softmoe({"report", "run"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_TRUE(read_file(place / "run/report.html").starts_with("<!DOCTYPE html>"));
}

TEST(ReportCommand, ReadsARunThatIsStillRunning) {
  const Workplace place;
  RunningProgram run(place.alone({"train", "-c", "config.yaml", "run.folder=run",
                                  "training.steps=1000000", "training.log_every=1"}),
                     std::chrono::seconds(120));
  ASSERT_TRUE(run.wait_for_output("step 20/")) << run.wait().output;

  const Ended ended = place.softmoe({"report", "run"});
  run.signal(SIGTERM);
  const Ended trained = run.wait();
  const Ended after = place.softmoe({"report", "run", "--output", "after.html"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  const std::string page = read_file(place / "run/report.html");
  EXPECT_TRUE(page.find("no end on record: running, or killed") != std::string::npos);
  EXPECT_TRUE(page.find("of 1000000") != std::string::npos);
  EXPECT_EQ(trained.code, 75) << trained.output;
  EXPECT_EQ(after.code, 0) << after.output;
  EXPECT_TRUE(read_file(place / "after.html").find("saved and left as asked") != std::string::npos);
}

TEST(ReportCommand, SaysThatARunHasNoStepYet) {
  const Workplace place;
  place.train("run");
  write_file(place / "run/metrics.jsonl", "");

  const Ended ended = place.softmoe({"report", "run"});

  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.output, HasSubstr("run has no step yet"));
}

TEST(ReportCommand, RefusesByTheTableOfExitCodes) {
  const Workplace place;
  place.train("run");
  std::filesystem::create_directory(place / "empty");
  std::filesystem::copy(place / "run", place / "damaged", std::filesystem::copy_options::recursive);
  write_file(place / "damaged/metrics.jsonl", "{\"step\": 0}\nnot this\n{\"step\": 1}\n");

  const Ended none = place.softmoe({"report"});
  const Ended missing = place.softmoe({"report", "nothing"});
  const Ended empty = place.softmoe({"report", "empty"});
  const Ended damaged = place.softmoe({"report", "damaged"});
  const Ended unwritable = place.softmoe({"report", "run", "--output", "no/such/folder/page.html"});

  EXPECT_EQ(none.code, 64);
  EXPECT_EQ(missing.code, 66);
  EXPECT_THAT(missing.output, HasSubstr("there is no run folder 'nothing'"));
  EXPECT_EQ(empty.code, 66);
  EXPECT_THAT(empty.output, HasSubstr("no metrics.jsonl"));
  EXPECT_EQ(damaged.code, 65);
  EXPECT_THAT(damaged.output,
              AllOf(HasSubstr("damaged/metrics.jsonl:2: "), HasSubstr("head -n 1")));
  EXPECT_FALSE(exists(place / "damaged/report.html"));
  EXPECT_EQ(unwritable.code, 73);
  for (const Ended& ended : {missing, empty, damaged, unwritable}) {
    EXPECT_EQ(count_errors(ended), 1) << ended.output;
  }
}

TEST(ReportCommand, GoesWithoutAConfigurationOfAnotherVersion) {
  const Workplace place;
  place.train("run");
  write_file(place / "run/config.yaml", "model: {layers: 2, of_tomorrow: 1}\n");

  const Ended ended = place.softmoe({"report", "run"});

  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("does not load"), HasSubstr("run/report.html")));
  EXPECT_TRUE(read_file(place / "run/report.html").find("of_tomorrow") != std::string::npos);
}

}  // namespace
}  // namespace softmoe::test
