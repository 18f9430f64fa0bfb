#include "training/corpus/piece_table.h"

#include <gmock/gmock.h>

#include "tests/support/storage_error_matcher.h"
#include "training/corpus/text_encoder.h"

namespace softmoe::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::string table_json(const std::string& pieces, int end_of_document) {
  return R"({"format": "softmoe-pieces", "version": 1, "tokenizer": "bpe", "hash": "0123456789abcdef",
             "end_of_document": )" +
         std::to_string(end_of_document) + R"(, "pieces": [)" + pieces + "]}";
}

const char* const kPieces = R"({"id": 0, "type": "unknown", "piece": "<unk>"},
  {"id": 1, "type": "control", "piece": "</s>"},
  {"id": 2, "type": "byte", "piece": "<0xC3>"},
  {"id": 3, "type": "byte", "piece": "<0xA9>"},
  {"id": 4, "type": "normal", "piece": "▁▁the"},
  {"id": 5, "type": "normal", "piece": "caf"})";

PieceTable small_table() {
  return PieceTable::from_json(table_json(kPieces, 1), "pieces.json");
}

TEST(PieceTable, TurnsSpaceMarksIntoSpacesAndJoinsBytes) {
  const PieceTable table = small_table();

  EXPECT_EQ(table.decode(std::vector<std::int32_t>{4, 5, 2, 3}), "  thecaf\xc3\xa9");
  EXPECT_EQ(table.text_of(3), "\xa9");
}

TEST(PieceTable, GivesControlPiecesNoText) {
  const PieceTable table = small_table();

  EXPECT_EQ(table.decode(std::vector<std::int32_t>{5, 1, 0, 5}), "cafcaf");
  EXPECT_EQ(table.end_of_document(), 1);
}

TEST(PieceTable, RefusesAnIdOutsideTheVocabulary) {
  const PieceTable table = small_table();

  EXPECT_THAT(
      [&] { (void)table.text_of(6); },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("token id 6"), HasSubstr("6 pieces"))));
  EXPECT_THROW((void)table.text_of(-1), InvalidArgument);
}

TEST(PieceTable, IsTheSameAfterWritingAndReading) {
  const PieceTable table = small_table();

  const PieceTable again = PieceTable::from_json(table.to_json(), "pieces.json");

  EXPECT_EQ(again.to_json(), table.to_json());
  EXPECT_EQ(again.hash(), "0123456789abcdef");
  EXPECT_EQ(again.tokenizer(), "bpe");
  EXPECT_EQ(again.vocab_size(), 6);
}

TEST(PieceTable, OfBytesDecodesEveryByteToItself) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
  const PieceTable table = PieceTable::from_json(PieceTable::bytes().to_json(), "pieces.json");

  EXPECT_EQ(table.decode(ByteEncoder().encode(every_byte)), every_byte);
  EXPECT_EQ(table.vocab_size(), 257);
  EXPECT_EQ(table.end_of_document(), 256);
  EXPECT_EQ(table.hash(), ByteEncoder().hash());
}

TEST(PieceTable, NamesWhatIsWrongWithAFile) {
  const auto reading = [](const std::string& json) {
    return [json] { (void)PieceTable::from_json(json, "pieces.json"); };
  };
  const auto names = [](const std::string& what) {
    return FailsWith(
        StorageError::Kind::bad_format,
        AllOf(HasSubstr("pieces.json"), HasSubstr(what), HasSubstr("softmoe-tokenizer export")));
  };

  EXPECT_THAT(reading("not json"), names("parse error"));
  EXPECT_THAT(reading(R"({"format": "other", "version": 1})"), names("softmoe-pieces version 1"));
  EXPECT_THAT(reading(table_json(R"({"id": 1, "type": "control", "piece": "</s>"})", 0)),
              names("id 1 stands at place 0"));
  EXPECT_THAT(reading(table_json(R"({"id": 0, "type": "odd", "piece": "x"})", 0)),
              names("the type 'odd'"));
  EXPECT_THAT(reading(table_json(R"({"id": 0, "type": "byte", "piece": "<0xG0>"})", 0)),
              names("<0xG0>"));
  EXPECT_THAT(reading(table_json(kPieces, 5)), names("end of document, 5"));
}

}  // namespace
}  // namespace softmoe::training
