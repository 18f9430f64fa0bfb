// `softmoe train`, alone and on ranks: what a run leaves behind, and what stops it.

#include <gmock/gmock.h>

#include <cmath>
#include <csignal>
#include <cstdint>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// The same steps on another number of ranks differ by the order of sums alone.
constexpr double kLossTolerance = 1e-5;

void expect_equal_losses(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_THAT(found, SizeIs(expected.size()));
  for (std::size_t step = 0; step < expected.size(); ++step) {
    EXPECT_NEAR(found[step], expected[step], kLossTolerance * expected[step]) << "step " << step;
  }
}

std::vector<std::string> event_names(const std::filesystem::path& run) {
  std::vector<std::string> names;
  for (const auto& event : read_json_lines(run / "events.jsonl")) names.push_back(event["event"]);
  return names;
}

TEST(Train, LeavesARunFolderThatTellsTheWholeRun) {
  const Workplace place;

  place.train("run");

  const auto metrics = read_json_lines(place / "run/metrics.jsonl");
  ASSERT_THAT(metrics, SizeIs(5));
  for (int step = 0; step < 5; ++step) {
    const auto& line = metrics[static_cast<std::size_t>(step)];
    EXPECT_EQ(line["step"], step);
    // 4 lanes of 2 sequences of 32 tokens.
    EXPECT_EQ(line["tokens"], 256);
    EXPECT_TRUE(std::isfinite(line["loss"].get<double>()));
    EXPECT_GE(line["budget_used"].get<double>(), 2.0);
    EXPECT_THAT(line["layers"], SizeIs(2));
  }
  // The weights start small, so the first guess is close to uniform; it gets better.
  EXPECT_NEAR(metrics.front()["loss"].get<double>(), std::log(300.0), 1.5);
  EXPECT_LT(metrics.back()["loss"].get<double>(), metrics.front()["loss"].get<double>());
  EXPECT_THAT(event_names(place / "run"), ElementsAre("start", "evaluation", "saved", "done"));
  EXPECT_GT(file_size(place / "run/model.safetensors"), 0);
}

TEST(Train, InWavesHasTheSameLosses) {
  const Workplace place;
  place.train("at_once");
  place.train("in_waves", {"parallel.max_received_rows=20"});

  expect_equal_losses(place.losses("in_waves"), place.losses("at_once"));
  for (const auto& line : read_json_lines(place / "in_waves/metrics.jsonl")) {
    // Each of 4 lanes in each of 2 layers; 64 tokens run at least one expert each.
    EXPECT_EQ(line["layers_in_waves_rank0"], 8);
    EXPECT_GE(line["receive_waves_rank0"], 8 * 4);
  }
  for (const auto& line : read_json_lines(place / "at_once/metrics.jsonl"))
    EXPECT_EQ(line["receive_waves_rank0"], 0);
}

TEST(Train, InWavesOnTwoRanksHasTheSameLosses) {
  const Workplace place;
  place.train("alone");
  const Ended ended = place.on_ranks(
      2, {"train", "-c", "config.yaml", "run.folder=in_waves", "parallel.max_received_rows=20"});
  ASSERT_EQ(ended.code, 0) << ended.output;

  expect_equal_losses(place.losses("in_waves"), place.losses("alone"));
}

TEST(Train, RecomputedHasTheSameBits) {
  const Workplace place;
  place.train("kept");
  place.train("recomputed", {"training.recompute=block"});

  EXPECT_EQ(place.losses("recomputed"), place.losses("kept"));
}

TEST(Train, SaysAtItsEndWhatItTookOfMemoryBesideThePlan) {
  const Workplace place;

  const Ended ended = place.on_ranks(
      2, {"train", "-c", "config.yaml", "run.folder=run", "budget.mode=quota", "training.lanes=2"});

  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, AllOf(HasSubstr("memory of rank 0: own pages "),
                                  HasSubstr("memory of rank 1: own pages "), HasSubstr("(plan ")));
  const auto memory = read_json_lines(place / "run/events.jsonl").back().at("memory");
  ASSERT_EQ(memory.at("ranks").size(), 2);
  for (const auto& rank : memory.at("ranks")) {
    for (const char* arena : {"saved_arena", "scratch_arena"}) {
      const double planned = memory.at("plan").at(arena).get<double>();
      EXPECT_NEAR(rank.at(arena).get<double>(), planned, 0.1 * planned) << arena;
    }
  }
}

TEST(Train, RunsOnTheProcessorWhereThereIsNoGpuAndSaysSo) {
  const Workplace place;
  place.train("processor");

  const Ended asked =
      place.softmoe({"train", "-c", "config.yaml", "run.folder=asked", "runtime.backend=cuda"});

  ASSERT_EQ(asked.code, 0) << asked.output;
  EXPECT_THAT(asked.output, HasSubstr("no GPU, running on the processor: "));
  EXPECT_EQ(place.losses("asked"), place.losses("processor"));
}

TEST(Train, RepeatsARunFromItsResolvedConfiguration) {
  const Workplace place;
  place.train("first", {"training.seed=7", "budget.total=5"});

  const Ended again = place.softmoe({"train", "-c", "first/config.yaml", "run.folder=second"});

  ASSERT_EQ(again.code, 0) << again.output;
  EXPECT_EQ(place.losses("second"), place.losses("first"));
  // Another seed is another run, so the comparison above says something.
  place.train("other", {"training.seed=8", "budget.total=5"});
  EXPECT_NE(place.losses("other"), place.losses("first"));
}

TEST(Train, HasTheSameLossesOnTwoRanksAsAlone) {
  const Workplace place;
  place.train("alone");

  const Ended ended = place.on_ranks(2, {"train", "-c", "config.yaml", "run.folder=two"});

  ASSERT_EQ(ended.code, 0) << ended.output;
  expect_equal_losses(place.losses("two"), place.losses("alone"));
  EXPECT_THAT(ended.output, HasSubstr("2 ranks, experts over 2"));
}

TEST(Train, ReadsTokenFilesOfNanoGpt) {
  const Workplace place;
  std::string tokens;
  for (int i = 0; i < 4000; ++i) tokens += {static_cast<char>(i * i % 251), 0};
  write_file(place / "train.bin", tokens);
  write_file(place / "val.bin", tokens.substr(0, 1000));

  place.train("run", {"data.corpus=", "data.format=nanogpt", "data.train=train.bin",
                      "data.validation=val.bin"});

  EXPECT_THAT(place.losses("run"), SizeIs(5));
}

/// A shard of llm.c with 32-bit tokens.
std::string llmc_shard(const std::vector<std::uint32_t>& tokens) {
  std::vector<std::uint32_t> words(256);
  words[0] = 20240801;
  words[1] = 7;
  words[2] = static_cast<std::uint32_t>(tokens.size());
  words.insert(words.end(), tokens.begin(), tokens.end());
  return {reinterpret_cast<const char*>(words.data()), 4 * words.size()};
}

TEST(Train, ReadsWideShardsOfLlmcByPattern) {
  const Workplace place;
  std::vector<std::uint32_t> tokens;
  for (std::uint32_t i = 0; i < 3000; ++i) tokens.push_back(i * i % 299);
  std::filesystem::create_directory(place / "shards");
  write_file(place / "shards/x_train_000.bin", llmc_shard(tokens));
  write_file(place / "shards/x_train_001.bin", llmc_shard(tokens));
  write_file(place / "shards/x_val_000.bin", llmc_shard({tokens.begin(), tokens.begin() + 500}));

  const Ended ended = place.softmoe({"train", "-c", "config.yaml", "run.folder=run",
                                     "data.corpus=", "data.train=shards/x_train_*.bin",
                                     "data.validation=shards/x_val_*.bin"});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("data: 6000 training tokens, 500 for validation"));
}

/// Sends `signal` to a run without end as soon as it has made three steps.
Ended stop_by(int signal, const Command& endless) {
  RunningProgram program(endless, 60s);
  EXPECT_TRUE(program.wait_for_output("step 3/"));
  program.signal(signal);
  return program.wait();
}

void expect_saved_and_usable(const Workplace& place, const Ended& stopped) {
  EXPECT_EQ(stopped.code, 75) << stopped.output;
  EXPECT_THAT(stopped.output, HasSubstr("the model is in run/model.safetensors"));
  EXPECT_THAT(event_names(place / "run"), ElementsAre("start", "saved", "drained"));
  EXPECT_GE(place.losses("run").size(), 3);
  const Ended evaluated = place.softmoe({"eval", "run"});
  EXPECT_EQ(evaluated.code, 0) << evaluated.output;
}

const Words kEndless = {"train",          "-c",
                        "config.yaml",    "training.steps=1000000",
                        "run.folder=run", "training.evaluate_every=0"};

TEST(Train, SavesAndLeavesOnInterruptAlone) {
  const Workplace place;

  const Ended stopped = stop_by(SIGINT, place.alone(kEndless));

  expect_saved_and_usable(place, stopped);
}

TEST(Train, SavesAndLeavesOnAUserSignalToMpirun) {
  const Workplace place;

  const Ended stopped = stop_by(SIGUSR1, place.by_mpirun(2, kEndless));

  expect_saved_and_usable(place, stopped);
}

}  // namespace
}  // namespace softmoe::test
