#include "coordinator/request_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace softmoe::coordinator {
namespace {

using budget::Request;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr NumberedRequest kSave{1, Request::save};
constexpr NumberedRequest kDrain{2, Request::drain};

TEST(RequestQueue, NumbersRise) {
  RequestQueue queue;
  EXPECT_EQ(queue.next_number(), 1);
  queue.add(kSave);
  queue.note_over(1);
  EXPECT_EQ(queue.next_number(), 2);
  queue.skip_to(9);
  EXPECT_EQ(queue.next_number(), 10);
}

TEST(RequestQueue, OfEqualRequestsThatNobodyWasToldOfThereIsOne) {
  RequestQueue queue;
  queue.add(kSave);
  EXPECT_EQ(queue.find_waiting(Request::save), kSave);
  EXPECT_EQ(queue.find_waiting(Request::drain), std::nullopt);

  queue.note_told(1, 7);

  EXPECT_EQ(queue.find_waiting(Request::save), std::nullopt) << "that save may have begun already";
}

TEST(RequestQueue, ARequestIsToldUntilItIsTaken) {
  RequestQueue queue;
  queue.add(kSave);
  queue.add(kDrain);
  queue.note_told(1, 7);

  EXPECT_THAT(queue.to_tell(7, 0), SizeIs(2)) << "the reply may have been lost";
  EXPECT_THAT(queue.to_tell(7, 1), SizeIs(1));
  EXPECT_THAT(queue.taken_by(7, 1), ElementsAre(kSave));
}

TEST(RequestQueue, WhatAProcessWasToldIsNotToldToTheNext) {
  RequestQueue queue;
  queue.add(kSave);
  queue.add(kDrain);
  queue.note_told(1, 7);

  EXPECT_THAT(queue.lost_with_others(8), ElementsAre(kSave));
  EXPECT_THAT(queue.lost_with_others(7), IsEmpty());
  ASSERT_THAT(queue.to_tell(8, 0), SizeIs(1));
  EXPECT_EQ(queue.to_tell(8, 0)[0].request, kDrain);
}

TEST(RequestQueue, FindsThoseThatRankZeroWouldTakeForOld) {
  RequestQueue queue;
  queue.add(kSave);
  queue.add(kDrain);

  EXPECT_THAT(queue.waiting_up_to(1), ElementsAre(kSave));
}

}  // namespace
}  // namespace softmoe::coordinator
