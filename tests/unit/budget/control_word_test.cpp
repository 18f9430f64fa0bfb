#include "budget/control_word.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace softmoe::budget {
namespace {

TEST(ControlWord, SurvivesTheJourneyAsBytes) {
  const ControlWord sent = ControlWord{.step = Step{41},
                                       .revision = 3,
                                       .term = 2,
                                       .lambda = -0.75,
                                       .alpha = 1.5,
                                       .budget = 12.0,
                                       .mode = Mode::servo}
                               .with(Request::save)
                               .with(Request::stop);
  std::array<std::byte, 56> bytes;

  std::memcpy(bytes.data(), &sent, sizeof(sent));
  ControlWord received;
  std::memcpy(&received, bytes.data(), bytes.size());

  EXPECT_EQ(received, sent);
  EXPECT_EQ(received.requests, 5U);
}

TEST(ControlWord, HasTheRequestsItWasGivenAndNoOthers) {
  const ControlWord word = ControlWord{}.with(Request::drain);

  EXPECT_TRUE(word.has(Request::drain));
  EXPECT_FALSE(word.has(Request::save));
  EXPECT_FALSE(word.has(Request::stop));
}

}  // namespace
}  // namespace softmoe::budget
