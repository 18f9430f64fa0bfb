// What a user does wrong: one error that names the cure, the documented code, and no run folder.

#include <gmock/gmock.h>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Message = testing::Matcher<const std::string&>;

const Words kTrain = {"train", "-c", "config.yaml", "run.folder=run"};

/// Exactly one error, with `code` and `message`, and nothing where the run would have been.
void expect_refused(const Workplace& place, const Ended& ended, int code, const Message& message) {
  EXPECT_EQ(ended.code, code) << ended.output;
  EXPECT_EQ(count_errors(ended), 1) << ended.output;
  EXPECT_THAT(ended.output, message);
  EXPECT_FALSE(exists(place / "run"));
}

/// The same alone and on two ranks.
void expect_training_refused(const Workplace& place, const Words& overrides, int code,
                             const Message& message) {
  expect_refused(place, place.softmoe(kTrain + overrides), code, message);
  expect_refused(place, place.on_ranks(2, kTrain + overrides), code, message);
}

Ended train_with_config(const Workplace& place, const std::string& yaml) {
  write_file(place / "bad.yaml", yaml);
  return place.softmoe({"train", "-c", "bad.yaml", "run.folder=run"});
}

TEST(BadConfig, IsShownAtItsPlace) {
  const Workplace place;

  const Ended ended = train_with_config(place, "model:\n  layers: 2\n layers: 3\n");

  expect_refused(place, ended, 78,
                 "softmoe: bad.yaml:3:2: error: this indentation matches no line above\n"
                 "    3 |  layers: 3\n"
                 "      |  ^\n");
}

TEST(BadConfig, IsNamedInEachOfItsForms) {
  const Workplace place;
  const std::vector<std::pair<std::string, std::string>> forms = {
      {"model: [1, 2\n", "bad.yaml:1:8: error: this '[' is never closed"},
      {"model:\n  layers: 2\n  layers: 3\n", "bad.yaml:3:3: error: duplicate key 'model.layers'"},
      {"model:\n\tlayers: 2\n", "bad.yaml:2:1: error:"},
      {"model: 3\n", "bad.yaml:1:8: error:"},
      {"model:\n  layers: three\n",
       "bad.yaml:2:11: error: 'model.layers' is 'three', but must be a whole"},
      {"model:\n  layers: -1\n",
       "bad.yaml:2:11: error: 'model.layers' is '-1', but must be from 1"},
      {"model:\n  heads: 3\n", "hidden / heads"}};

  for (const auto& [yaml, message] : forms) {
    expect_refused(place, train_with_config(place, yaml), 78, HasSubstr(message));
  }
}

TEST(BadConfig, IsReportedWholeInOneError) {
  const Workplace place;

  const Ended ended =
      train_with_config(place, "model:\n  layrs: 2\n  hidden: wide\ntraining:\n  steps: 0\n");

  expect_refused(
      place, ended, 78,
      AllOf(HasSubstr("bad.yaml:2:3"), HasSubstr("bad.yaml:3:11"), HasSubstr("bad.yaml:5:10")));
}

TEST(BadConfig, OffersTheKeyThatWasMeant) {
  const Workplace place;

  expect_training_refused(place, {"model.layrs=3"}, 78,
                          HasSubstr("unknown key 'model.layrs' — did you mean 'model.layers'?"));
}

TEST(BadConfig, IsNamedIfItIsMissing) {
  const Workplace place;

  const Ended ended = place.softmoe({"train", "-c", "nothing.yaml", "run.folder=run"});

  expect_refused(place, ended, 78, HasSubstr("nothing.yaml: error: cannot open"));
}

TEST(BadWorld, IsHeldAgainstTheFlag) {
  const Workplace place;

  // Three ranks would also be wrong for 8 experts, but they are not what is wrong.
  const Ended ended = place.on_ranks(2, kTrain + Words{"--expect-world", "3"});

  expect_refused(place, ended, 78,
                 HasSubstr("MPI has 2 ranks, but --expect-world says 3: start that many ranks"));
}

TEST(BadWorld, IsHeldAgainstSlurm) {
  const Workplace place;
  Command command = place.alone(kTrain);
  command.environment["SLURM_NTASKS"] = "4";

  const Ended ended = run_program(command);

  expect_refused(place, ended, 78,
                 AllOf(HasSubstr("MPI has 1 rank, but SLURM_NTASKS says 4"),
                       HasSubstr("srun --mpi=pmix"), HasSubstr("--expect-world 1")));
}

TEST(BadWorld, MustDivideTheExperts) {
  const Workplace place;

  const Ended ended = place.on_ranks(3, kTrain);

  expect_refused(place, ended, 78,
                 AllOf(HasSubstr("8 experts cannot be spread evenly over 3"),
                       HasSubstr("set model.experts.num_experts to 6 or 9")));
}

TEST(BadBudget, IsRefusedBelowTheFloorsAndAboveTheCaps) {
  const Workplace place;

  expect_training_refused(place, {"budget.total=1", "model.router.total_mass=4"}, 78,
                          AllOf(HasSubstr("budget.total: a budget of 1"),
                                HasSubstr("give at least 2, or a floor of 0")));
  expect_training_refused(
      place, {"budget.total=20", "model.router.total_mass=4"}, 78,
      AllOf(HasSubstr("budget.total: a budget of 20"), HasSubstr("give at most 16")));
}

TEST(BadBudget, IsRefusedIfTheSimplexCannotHoldTheMass) {
  const Workplace place;

  expect_training_refused(place, {"model.router.total_mass=12"}, 78,
                          AllOf(HasSubstr("model.router.total_mass: with a soft mass of 12"),
                                HasSubstr("give at most 9")));
}

TEST(BadData, IsNamedIfItIsMissing) {
  const Workplace place;

  expect_training_refused(place, {"data.corpus=nothing"}, 66,
                          AllOf(HasSubstr("there is no corpus in 'nothing' (data.corpus)"),
                                HasSubstr("softmoe data build --from TEXTS --to nothing")));
  expect_training_refused(place,
                          {"data.corpus=", "data.train=corpus/x*.bin", "data.validation=corpus/x*"},
                          66, HasSubstr("no file in 'corpus' is called 'x*.bin'"));
}

TEST(BadData, IsRefusedIfAShardIsCut) {
  const Workplace place;
  const auto shard = place.shard("_train_");
  resize_file(shard, file_size(shard) - 100);

  expect_training_refused(place, {}, 65,
                          AllOf(HasSubstr(shard.filename()), HasSubstr("cut short"),
                                HasSubstr("copy or build it again")));
}

TEST(BadData, IsRefusedIfAShardIsForeign) {
  const Workplace place;
  const auto shard = place.shard("_val_");
  write_file(shard, "nuts" + read_file(shard).substr(4));

  expect_training_refused(place, {}, 65,
                          AllOf(HasSubstr(shard.filename()), HasSubstr("its magic number is"),
                                HasSubstr("say format nanogpt")));
}

TEST(BadData, IsRefusedIfTheModelKnowsFewerTokensThanTheCorpus) {
  const Workplace place;

  expect_training_refused(place, {"model.vocabulary=256"}, 78,
                          HasSubstr("set model.vocabulary=257 or more"));
}

TEST(BadData, IsRefusedIfATokenIsBeyondTheVocabulary) {
  const Workplace place;
  std::string tokens;
  for (int i = 0; i < 1000; ++i) tokens += {static_cast<char>(i % 200), 0};
  tokens[2 * 700 + 1] = 2;  // token 700: 700 % 200 + 512
  write_file(place / "tokens.bin", tokens);

  expect_training_refused(place,
                          {"data.corpus=", "data.format=nanogpt", "data.train=tokens.bin",
                           "data.validation=tokens.bin"},
                          65,
                          AllOf(HasSubstr("token 700 is 612, and the vocabulary has 300"),
                                HasSubstr("set the vocabulary to the file's")));
}

TEST(BadRunFolder, IsRefusedIfItCannotBeWritten) {
  const Workplace place;
  const std::string before = read_file(place / "config.yaml");

  // A file cannot hold a folder, whoever asks, and nobody may write to /proc.
  expect_training_refused(place, {"run.folder=config.yaml/run"}, 73,
                          AllOf(HasSubstr("config.yaml/run"), HasSubstr("choose another path")));
  expect_training_refused(place, {"run.folder=/proc/run"}, 73, HasSubstr("'/proc/run'"));
  EXPECT_EQ(read_file(place / "config.yaml"), before);
}

TEST(BadRunFolder, IsRefusedIfItHoldsAnotherRun) {
  const Workplace place;
  place.train("first");
  const std::string before = read_file(place / "first/metrics.jsonl");

  expect_training_refused(
      place, {"run.folder=first"}, 78,
      AllOf(HasSubstr("first holds another run"), HasSubstr("name a new folder with run.folder=")));
  EXPECT_EQ(read_file(place / "first/metrics.jsonl"), before);
}

}  // namespace
}  // namespace softmoe::test
