#include "tokenizer/model.h"

#include <gmock/gmock.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include "tests/unit/tokenizer/failure_matcher.h"
#include "tokenizer/trainer.h"

namespace softmoe::tokenizer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string english() {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += "The  quick brown fox " + std::to_string(i * 7919 % 1000) +
            " jumps   over\tthe lazy dog.\n";
    text += "        if (x == y) return caf\xc3\xa9;\n    ======\n\n";
  }
  return text;
}

const std::string& model_bytes() {
  static const std::string bytes = train(english(), {.vocab_size = 420});
  return bytes;
}

/// What sentencepiece gives for the whole text at once.
std::vector<int> encode_by_sentencepiece(const std::string& text) {
  sentencepiece::SentencePieceProcessor processor;
  EXPECT_TRUE(processor.LoadFromSerializedProto(model_bytes()).ok());
  std::vector<int> ids;
  EXPECT_TRUE(processor.Encode(text, &ids).ok());
  return ids;
}

/// A model of another maker, with settings that lose something.
std::string foreign_model(std::unordered_map<std::string, std::string> settings) {
  settings.insert({{"model_type", "bpe"},
                   {"vocab_size", "380"},
                   {"minloglevel", "2"},
                   {"hard_vocab_limit", "false"}});
  const std::string path = testing::TempDir() + "foreign.txt";
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs(english().c_str(), file);
  std::fclose(file);
  settings.emplace("input", path);
  std::string bytes;
  EXPECT_TRUE(sentencepiece::SentencePieceTrainer::Train(settings, nullptr, &bytes).ok());
  return bytes;
}

TEST(Model, EncodesWordByWordAsSentencepieceEncodesTheWhole) {
  Model model(model_bytes(), "test.model");

  for (const std::string& text : {english(), std::string("   leading and trailing   "),
                                  std::string("unseen w\xc3\xb6rds   zzz\n\n  \n"),
                                  std::string("\xe6\x97\xa5\xe6\x9c\xac <unk> </s> <0x41>"),
                                  std::string("======================= ----")}) {
    EXPECT_EQ(model.encode(text), encode_by_sentencepiece(text)) << text.substr(0, 60);
  }
}

TEST(Model, GivesAWordTheSameIdsAgain) {
  Model model(model_bytes(), "test.model");

  const std::vector<std::int32_t> first = model.encode(" quick");
  const std::vector<std::int32_t> second = model.encode(" quick");

  EXPECT_EQ(second, first);
}

TEST(Model, SpellsTheMarksOfSentencepieceInBytes) {
  Model model(model_bytes(), "test.model");
  constexpr int kFirstByte = 2;

  EXPECT_THAT(model.encode("\xe2\x96\x81"),
              ElementsAre(kFirstByte + 0xe2, kFirstByte + 0x96, kFirstByte + 0x81));
  EXPECT_THAT(model.encode("\n\xff"), ElementsAre(kFirstByte + '\n', kFirstByte + 0xff));
}

TEST(Model, NeverGivesTheUnknownPieceOrTheEndOfADocument) {
  Model model(model_bytes(), "test.model");

  EXPECT_EQ(model.end_of_document(), 1);
  EXPECT_THAT(model.encode("<unk> </s> \xf0\x9f\xa6\x8a \x01"), Each(Not(testing::AnyOf(0, 1))));
}

TEST(Model, ExportsItsPiecesInOrderAndQuoted) {
  const std::string json = Model(model_bytes(), "test.model").piece_table_json();

  EXPECT_THAT(json, HasSubstr(R"({"id": 0, "type": "unknown", "piece": "<unk>"},)"));
  EXPECT_THAT(json, HasSubstr(R"({"id": 1, "type": "control", "piece": "</s>"},)"));
  EXPECT_THAT(json, HasSubstr(R"({"id": 257, "type": "byte", "piece": "<0xFF>"},)"));
  EXPECT_THAT(json, AllOf(HasSubstr(R"("piece": "\"")"), HasSubstr(R"("piece": "\\")")));
}

TEST(Model, RefusesWhatWouldLoseText) {
  const auto loading = [](std::string bytes) { return [bytes] { Model(bytes, "other.model"); }; };
  const auto refused = [](const std::string& why) {
    return FailsWith(ExitCode::bad_data, AllOf(HasSubstr("other.model"), HasSubstr(why),
                                               HasSubstr("softmoe-tokenizer train")));
  };

  EXPECT_THAT(loading("no model"), refused("not a sentencepiece model"));
  EXPECT_THAT(loading(foreign_model({})), refused("no byte fallback"));
  EXPECT_THAT(loading(foreign_model({{"byte_fallback", "true"}})), refused("normalisation"));
  EXPECT_THAT(loading(foreign_model({{"byte_fallback", "true"},
                                     {"normalization_rule_name", "identity"},
                                     {"remove_extra_whitespaces", "false"}})),
              refused("normalisation"));
  EXPECT_THAT(loading(foreign_model({{"byte_fallback", "true"},
                                     {"normalization_rule_name", "identity"},
                                     {"remove_extra_whitespaces", "false"},
                                     {"add_dummy_prefix", "false"},
                                     {"split_by_whitespace", "false"}})),
              refused("a space inside its piece"));
}

TEST(Trainer, GivesEqualModelsForEqualText) {
  EXPECT_EQ(train(english(), {.vocab_size = 420}), model_bytes());
  EXPECT_NE(train(english(), {.vocab_size = 421}), model_bytes());
}

TEST(Trainer, LearnsFromLinesWithTabs) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "wonderful\twonderful\n";

  EXPECT_THAT(Model(train(text, {.vocab_size = 361}), "t").piece_table_json(),
              HasSubstr("\"wonderful\""));
}

TEST(Trainer, NamesTheLimitsItKeeps) {
  const auto training = [](std::string text, TrainingOptions options) {
    return [text, options] { (void)train(text, options); };
  };

  EXPECT_THAT(training("", {.vocab_size = 400}),
              FailsWith(ExitCode::bad_data, HasSubstr("400 pieces: it gives at most 353;")));
  EXPECT_THAT(training("x", {.vocab_size = 352}),
              FailsWith(ExitCode::usage, HasSubstr("353 to 1048576")));
  EXPECT_THAT(training("x", {.vocab_size = 400, .character_coverage = 0.5}),
              FailsWith(ExitCode::usage, HasSubstr("--character-coverage 0.5")));
  EXPECT_THAT(training("caf\xe9", {.vocab_size = 400}),
              FailsWith(ExitCode::bad_data, HasSubstr("byte 3 of 4")));
}

TEST(Trainer, SaysWhenTheCharactersAloneFillTheVocabulary) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += {'\xe6', static_cast<char>(0x80 + i), '\x80'};

  EXPECT_THAT([&] { (void)train(text, {.vocab_size = 360, .character_coverage = 1.0}); },
              FailsWith(ExitCode::bad_data,
                        HasSubstr("more distinct characters than a vocabulary of 360")));
}

}  // namespace
}  // namespace softmoe::tokenizer
