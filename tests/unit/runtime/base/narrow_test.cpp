#include "runtime/base/narrow.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>

namespace softmoe {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Narrow, KeepsValuesThatFit) {
  EXPECT_EQ(narrow<int>(std::int64_t{-7}), -7);
  EXPECT_EQ(narrow<std::uint8_t>(255), 255);
  EXPECT_EQ(narrow<int>(std::int64_t{std::numeric_limits<int>::max()}),
            std::numeric_limits<int>::max());
}

TEST(Narrow, RefusesAValueThatDoesNotFitAndNamesIt) {
  EXPECT_THAT([] { (void)narrow<int>(std::int64_t{1} << 31); },
              ThrowsMessage<InvalidArgument>(HasSubstr("2147483648")));
}

TEST(Narrow, RefusesASignThatWouldBeLost) {
  EXPECT_THROW((void)narrow<std::uint64_t>(-1), InvalidArgument);
  EXPECT_THROW((void)narrow<int>(std::uint32_t{0xffffffff}), InvalidArgument);
}

}  // namespace
}  // namespace softmoe
