#include "runtime/config/scalar.h"

#include <gmock/gmock.h>

#include <limits>

namespace softmoe::config {
namespace {

using testing::HasSubstr;

template <class T>
std::optional<T> parsed(std::string_view text) {
  return parse_scalar<T>(text).value;
}

TEST(Scalar, ReadsWholeNumbersExactly) {
  EXPECT_EQ(parsed<int>("0"), 0);
  EXPECT_EQ(parsed<int>("-0"), 0);
  EXPECT_EQ(parsed<int>("+12"), 12);
  EXPECT_EQ(parsed<int>("1_000_000"), 1'000'000);
  EXPECT_EQ(parsed<int>("1e6"), 1'000'000);
  EXPECT_EQ(parsed<int>("2.5E3"), 2500);
  EXPECT_EQ(parsed<int>("1200e-2"), 12);
  EXPECT_EQ(parsed<int>("64k"), 64'000);
  EXPECT_EQ(parsed<int>("1.5M"), 1'500'000);
  EXPECT_EQ(parsed<std::int64_t>("3G"), 3'000'000'000);
  EXPECT_EQ(parsed<int>("1.5Ki"), 1536);
  EXPECT_EQ(parsed<int>("2Mi"), 2 << 20);
  EXPECT_EQ(parsed<std::int64_t>("4Gi"), std::int64_t{4} << 30);
  EXPECT_EQ(parsed<std::uint64_t>("0e99999"), 0U);
  // Neither survives a detour over a double.
  EXPECT_EQ(parsed<std::int64_t>("9007199254740993"), 9007199254740993);
  EXPECT_EQ(parsed<std::uint64_t>("18446744073709551615"),
            std::numeric_limits<std::uint64_t>::max());
}

TEST(Scalar, KnowsTheBoundsOfEachType) {
  EXPECT_EQ(parsed<int>("2147483647"), std::numeric_limits<int>::max());
  EXPECT_EQ(parsed<int>("-2147483648"), std::numeric_limits<int>::lowest());
  EXPECT_EQ(parsed<std::int64_t>("-9223372036854775808"),
            std::numeric_limits<std::int64_t>::lowest());

  EXPECT_EQ(parse_scalar<int>("2147483648").must, "must be from -2147483648 to 2147483647");
  EXPECT_EQ(parsed<int>("-2147483649"), std::nullopt);
  EXPECT_EQ(parsed<std::int64_t>("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(parsed<std::uint64_t>("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parsed<std::uint64_t>("-1"), std::nullopt);
  EXPECT_EQ(parsed<std::uint64_t>("1e99999999999"), std::nullopt);
}

TEST(Scalar, RefusesWhatIsNoDecimalNumber) {
  for (const char* text : {"",     "-",   "+",     ".",     "e5",  "1e",   "1e+", "1_",   "_1",
                           "1__0", "1 ",  " 1",    "0x10",  "0b1", "0o7",  "1K",  "1kk",  "1e3k",
                           "1T",   "--1", "1,000", "1.2.3", "inf", ".inf", "nan", "true", "١"}) {
    EXPECT_EQ(parsed<int>(text), std::nullopt) << text;
    EXPECT_EQ(parsed<double>(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_scalar<int>("010").must, "must not start with a spare 0");
  EXPECT_EQ(parse_scalar<double>("00.5").must, "must not start with a spare 0");
}

TEST(Scalar, RefusesAWholeNumberThatIsNotWhole) {
  for (const char* text : {"1.5", "1e-1", "0.1", "1.0001k", "0.3Ki"}) {
    EXPECT_THAT(parse_scalar<int>(text).must, HasSubstr("whole number")) << text;
  }
}

TEST(Scalar, ReadsRealNumbersToTheNearest) {
  EXPECT_EQ(parsed<double>("0.1"), 0.1);
  EXPECT_EQ(parsed<double>("-3e-4"), -3e-4);
  EXPECT_EQ(parsed<double>(".5"), 0.5);
  EXPECT_EQ(parsed<double>("5."), 5.0);
  EXPECT_EQ(parsed<double>("2.5M"), 2.5e6);
  EXPECT_EQ(parsed<double>("0.5Ki"), 512.0);
  EXPECT_EQ(parsed<double>("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(parsed<float>("0.1"), 0.1F);
  EXPECT_EQ(parsed<double>("1e309"), std::nullopt);
  EXPECT_EQ(parsed<double>("1e308Ki"), std::nullopt);
  EXPECT_EQ(parsed<float>("1e39"), std::nullopt);
}

TEST(Scalar, KnowsTwoTruthValuesOnly) {
  EXPECT_EQ(parsed<bool>("true"), true);
  EXPECT_EQ(parsed<bool>("false"), false);
  for (const char* text : {"True", "TRUE", "yes", "no", "on", "off", "y", "n", "1", "0", ""}) {
    EXPECT_EQ(parsed<bool>(text), std::nullopt) << text;
  }
}

TEST(Scalar, PrintsNumbersThatReadBackToTheSameBits) {
  for (const double value : {0.1, 1e-5, 3e-4, 1.0 / 3.0, 1e22, 5e-324, 1.7976931348623157e308}) {
    EXPECT_EQ(parsed<double>(print_scalar(value)), value);
    EXPECT_EQ(parsed<double>(print_scalar(-value)), -value);
  }
  EXPECT_EQ(print_scalar(1.0), "1");
  EXPECT_EQ(print_scalar(true), "true");
}

TEST(Scalar, QuotesTextThatAnotherReaderCouldMistake) {
  EXPECT_EQ(print_scalar<std::string>("data/train.bin"), "data/train.bin");
  for (const char* text :
       {"", "true", "Off", "null", "~", "1e5", "010", "-x", "a b", "a: b", "#", "[a]"}) {
    EXPECT_EQ(print_scalar<std::string>(text), '"' + std::string(text) + '"');
  }
  EXPECT_EQ(print_scalar<std::string>("a\"b\\c\nd\te\x1B\xC2\x85"), R"("a\"b\\c\nd\te\x1b\x85")");
}

}  // namespace
}  // namespace softmoe::config
