#include "tokenizer/utf8.h"

#include <gmock/gmock.h>

#include <string>

#include "tokenizer/fingerprint.h"

namespace softmoe::tokenizer {
namespace {

TEST(Utf8, TakesCharactersOfOneToFourBytes) {
  EXPECT_EQ(utf8_length("a"), 1U);
  EXPECT_EQ(utf8_length("\xc2\x80"), 2U);
  EXPECT_EQ(utf8_length("\xe0\xa0\x80z"), 3U);
  EXPECT_EQ(utf8_length("\xf4\x8f\xbf\xbf"), 4U);
  EXPECT_EQ(utf8_length(std::string_view("\0", 1)), 1U);
}

TEST(Utf8, RefusesWhatTheStandardCallsIllFormed) {
  EXPECT_EQ(utf8_length(""), 0U);
  EXPECT_EQ(utf8_length("\x80"), 0U) << "stray continuation";
  EXPECT_EQ(utf8_length("\xc3"), 0U) << "cut short";
  EXPECT_EQ(utf8_length("\xc3z"), 0U) << "no continuation";
  EXPECT_EQ(utf8_length("\xc1\xbf"), 0U) << "overlong, two bytes";
  EXPECT_EQ(utf8_length("\xe0\x9f\xbf"), 0U) << "overlong, three bytes";
  EXPECT_EQ(utf8_length("\xf0\x8f\xbf\xbf"), 0U) << "overlong, four bytes";
  EXPECT_EQ(utf8_length("\xed\xa0\x80"), 0U) << "surrogate";
  EXPECT_EQ(utf8_length("\xf4\x90\x80\x80"), 0U) << "beyond U+10FFFF";
  EXPECT_EQ(utf8_length("\xff"), 0U);
}

TEST(Utf8, FindsTheFirstPlaceThatIsNot) {
  EXPECT_EQ(valid_utf8_prefix("caf\xc3\xa9"), 5U);
  EXPECT_EQ(valid_utf8_prefix("caf\xe9 au lait"), 3U);
  EXPECT_EQ(valid_utf8_prefix("cut \xe6\x97"), 4U);
}

// The published test vectors of FNV-1a.
TEST(Fingerprint, IsFnv1a) {
  EXPECT_EQ(fingerprint(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(fingerprint("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(fingerprint("foobar"), 0x85944171f73967e8ULL);
}

}  // namespace
}  // namespace softmoe::tokenizer
