// Ranks as processes: the program as its users start it, and the files that it leaves.

#include <gmock/gmock.h>

#include <cstring>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::HasSubstr;

/// The tensors of a saved model: names, places and bytes, without what is said about the run.
std::string tensors_of(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  auto header = nlohmann::json::parse(file.substr(8, header_bytes));
  header.erase("__metadata__");
  EXPECT_GT(header.size(), 20U);
  return header.dump() + file.substr(8 + header_bytes);
}

/// The loss of the last evaluation, as it was written.
double validation_loss(const std::filesystem::path& events) {
  double loss = 0;
  for (const auto& event : read_json_lines(events)) {
    if (event.at("event") == "evaluation") loss = event.at("loss").get<double>();
  }
  EXPECT_GT(loss, 0.0);
  return loss;
}

const Words kInvariant = {"training.determinism=layout_invariant", "training.steps=50",
                          "coordinator.placement=off", "metrics.listen="};

void train(const Workplace& place, int ranks, const std::string& run, const Words& more) {
  const Ended ended = place.on_ranks(
      ranks, Words{"train", "-c", "config.yaml", "run.folder=" + run} + kInvariant + more);
  ASSERT_EQ(ended.code, 0) << ended.output;
}

TEST(ProgramBits, AModelIsTheSameFromOneTwoAndFourProcesses) {
  const Workplace place;
  place.train("alone", kInvariant);
  const std::string alone = tensors_of(place / "alone/model.safetensors");

  int number = 0;
  for (const auto& [ranks, overrides] : std::vector<std::pair<int, Words>>{
           {2, {"parallel.expert_parallel=1", "runtime.threads=2"}},
           {2, {"parallel.expert_parallel=2"}},
           {4, {"parallel.expert_parallel=1"}},
           {4, {"parallel.expert_parallel=2", "parallel.exchange_chunks=2"}},
           {4, {"parallel.expert_parallel=4"}}}) {
    const std::string run = "run" + std::to_string(number++);
    SCOPED_TRACE(testing::Message() << ranks << " ranks, " << overrides[0]);
    train(place, ranks, run, overrides);

    EXPECT_TRUE(tensors_of(place / (run + "/model.safetensors")) == alone);
    EXPECT_EQ(place.losses(run), place.losses("alone"));
    EXPECT_EQ(validation_loss(place / (run + "/events.jsonl")),
              validation_loss(place / "alone/events.jsonl"));
  }
}

TEST(ProgramBits, AModelOfARepeatableRunIsNot) {
  const Workplace place;
  const Words repeatable = {"training.determinism=repeatable"};
  place.train("alone", kInvariant + repeatable);

  train(place, 2, "two", repeatable);

  EXPECT_FALSE(tensors_of(place / "two/model.safetensors") ==
               tensors_of(place / "alone/model.safetensors"));
}

TEST(ProgramBits, AGpuIsRefusedWithTheCure) {
  const Workplace place;

  const Ended ended = place.softmoe({"train", "-c", "config.yaml", "runtime.backend=cuda",
                                     "training.determinism=layout_invariant"});

  EXPECT_EQ(ended.code, 78) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("training.determinism"));
  EXPECT_THAT(ended.output, HasSubstr("choose repeatable"));
}

}  // namespace
}  // namespace softmoe::test
