#include "coordinator/call_rate.h"

#include <gtest/gtest.h>

#include "tests/unit/coordinator_wire/refused_matcher.h"

namespace softmoe::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr CallRate::TimePoint kBegin{seconds(1000)};

int num_let_in(CallRate& rate, const std::string& caller, CallRate::TimePoint now, int num_calls) {
  int num_in = 0;
  for (int i = 0; i < num_calls; ++i) {
    try {
      rate.count(caller, now);
      ++num_in;
    } catch (const Refused& refused) {
      EXPECT_EQ(refused.reason(), Reason::too_often);
    }
  }
  return num_in;
}

TEST(CallRate, LetsASecondsWorthInAtOnceAndTheRateThen) {
  CallRate rate(50.0);
  EXPECT_EQ(num_let_in(rate, "a", kBegin, 1000), 50);
  EXPECT_EQ(num_let_in(rate, "a", kBegin + milliseconds(100), 1000), 5);
  EXPECT_EQ(num_let_in(rate, "a", kBegin + milliseconds(100), 1000), 0);
  EXPECT_EQ(num_let_in(rate, "a", kBegin + seconds(3600), 1000), 50);
}

TEST(CallRate, CountsEachCallerApart) {
  CallRate rate(1.0);
  EXPECT_EQ(num_let_in(rate, "a", kBegin, 100), 10);
  EXPECT_EQ(num_let_in(rate, "b", kBegin, 100), 10);
}

TEST(CallRate, SaysWhenToCallAgain) {
  CallRate rate(2.0);
  num_let_in(rate, "rank 3", kBegin, 10);
  EXPECT_THAT(
      [&] { rate.count("rank 3", kBegin); },
      IsRefused(Reason::too_often,
                HasSubstr("rank 3 calls more than 2 times a second; call again in 500 ms")));
}

TEST(CallRate, TakesNoHarmFromTimeThatGoesBack) {
  CallRate rate(10.0);
  EXPECT_EQ(num_let_in(rate, "a", kBegin, 100), 10);
  EXPECT_EQ(num_let_in(rate, "a", kBegin - seconds(100), 100), 0);
  EXPECT_EQ(num_let_in(rate, "a", kBegin + milliseconds(100), 100), 1);
}

TEST(CallRate, RemembersABoundedNumberOfCallers) {
  CallRate rate(10.0, /*max_callers=*/100);
  int num_in = 0;
  for (int i = 0; i < 1000; ++i) num_in += num_let_in(rate, std::to_string(i), kBegin, 1);
  EXPECT_EQ(num_in, 100);
  EXPECT_EQ(rate.num_callers(), 100U);

  // Those that have been quiet make room, and one that has not is still known.
  num_let_in(rate, "7", kBegin + milliseconds(1900), 100);
  EXPECT_EQ(num_let_in(rate, "new", kBegin + seconds(2), 1), 1);
  EXPECT_EQ(rate.num_callers(), 2U);
  EXPECT_EQ(num_let_in(rate, "7", kBegin + seconds(2), 100), 1);
}

}  // namespace
}  // namespace softmoe::coordinator
