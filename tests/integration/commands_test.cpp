// Commands that need no model.

#include <gmock/gmock.h>

#include "tests/integration/workplace.h"

namespace softmoe::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Help, ShowsExamplesOfEveryCommand) {
  const Workplace place;
  const std::vector<Words> commands = {
      {"train"}, {"eval"}, {"generate"}, {"data", "build"}, {"data", "inspect"}};

  for (const Words& command : commands) {
    const Ended ended = place.softmoe(command + Words{"--help"});

    EXPECT_EQ(ended.code, 0);
    EXPECT_THAT(ended.output, AllOf(HasSubstr("Example"), HasSubstr("  softmoe " + command[0])));
  }
}

TEST(Help, OfTheProgramNamesItsCommandsAndExitCodes) {
  const Workplace place;

  const Ended ended = place.softmoe({"--help"});

  EXPECT_EQ(ended.code, 0);
  for (const char* command : {"train", "eval", "generate", "data", "version"}) {
    EXPECT_THAT(ended.output, HasSubstr(std::string("\n  ") + command + " "));
  }
  EXPECT_THAT(ended.output, AllOf(HasSubstr("64 usage"), HasSubstr("78 configuration")));
}

TEST(Usage, NamesTheWordItDoesNotKnow) {
  const Workplace place;

  for (const Words& words : {Words{"trian"}, Words{"train", "--trian"}, Words{"data", "trian"},
                             Words{"version", "trian"}}) {
    const Ended ended = place.softmoe(words);

    EXPECT_EQ(ended.code, 64);
    EXPECT_THAT(ended.output, AllOf(HasSubstr("trian"), HasSubstr("--help")));
  }
}

TEST(Usage, ShowsTheCommandsIfNoneIsGiven) {
  const Workplace place;

  const Ended bare = place.softmoe({});
  const Ended data = place.softmoe({"data"});

  EXPECT_EQ(bare.code, 64);
  EXPECT_THAT(bare.output, AllOf(HasSubstr("train"), HasSubstr("generate")));
  EXPECT_EQ(data.code, 64);
  EXPECT_THAT(data.output, AllOf(HasSubstr("build"), HasSubstr("inspect")));
}

TEST(Version, IsThatOfTheProject) {
  const Workplace place;

  const Ended ended = place.softmoe({"version"});

  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.output, HasSubstr("softmoe " SOFTMOE_VERSION "\n"));
}

TEST(Data, InspectCountsWhatBuildWrote) {
  const Workplace place;
  const auto info = nlohmann::json::parse(read_file(place / "corpus/corpus.json"));
  const int tokens = info["train"]["tokens"].get<int>() + info["validation"]["tokens"].get<int>();
  const int documents =
      info["train"]["documents"].get<int>() + info["validation"]["documents"].get<int>();

  const Ended ended = place.softmoe({"data", "inspect", "corpus"});

  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(documents, 20);
  // A byte is a token, and behind each document stands its end.
  int bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place / "texts")) {
    bytes += static_cast<int>(entry.file_size());
  }
  EXPECT_EQ(tokens, bytes + documents);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("bytes"), HasSubstr("257 pieces"),
                                  HasSubstr(std::to_string(tokens) + " tokens, ")));
}

TEST(Data, BuildsTheSameCorpusTwice) {
  const Workplace place;
  const Words build = {"data", "build", "--from", "texts", "--vocabulary", "360", "--to"};

  const Ended first = place.softmoe(build + Words{"bpe_1"});
  const Ended second = place.softmoe(build + Words{"bpe_2"});

  ASSERT_EQ(first.code, 0) << first.output;
  ASSERT_EQ(second.code, 0) << second.output;
  for (const auto& entry : std::filesystem::directory_iterator(place / "bpe_1")) {
    const std::string name = entry.path().filename();
    EXPECT_EQ(read_file(entry.path()), read_file(place / ("bpe_2/" + name))) << name;
  }
}

TEST(Data, RefusesAPlaceThatIsTakenAndATokenizerItDoesNotKnow) {
  const Workplace place;
  const Words build = {"data", "build", "--from", "texts"};
  const std::string before = read_file(place / "corpus/corpus.json");

  const Ended taken = place.softmoe(build + Words{"--to", "corpus"});
  const Ended unknown = place.softmoe(build + Words{"--to", "new", "--tokenizer", "words"});
  const Ended missing = place.softmoe({"data", "build", "--from", "nothing", "--to", "new"});

  EXPECT_EQ(taken.code, 78);
  EXPECT_THAT(taken.output, HasSubstr("corpus"));
  EXPECT_EQ(read_file(place / "corpus/corpus.json"), before);
  EXPECT_EQ(unknown.code, 78);
  EXPECT_THAT(unknown.output, HasSubstr("use bpe or bytes"));
  EXPECT_EQ(missing.code, 66);
  EXPECT_THAT(missing.output, HasSubstr("nothing"));
  EXPECT_FALSE(exists(place / "new"));
}

}  // namespace
}  // namespace softmoe::test
