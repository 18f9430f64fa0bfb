#include "runtime/ops/cpu/worker_rooms.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "runtime/device/arena_measure.h"
#include "tests/support/on_device.h"

namespace softmoe::ops::cpu {
namespace {

using test::OnDevice;

template <class T>
std::int64_t bytes_between(const WorkerRooms<T>& rooms, int first, int second) {
  return (rooms.of(second) - rooms.of(first)) * static_cast<std::int64_t>(sizeof(T));
}

TEST(WorkerRooms, LieFurtherApartThanACoreFetchesAhead) {
  constexpr std::int64_t kLine = 64;
  OnDevice on;
  for (const std::int64_t elements : {1, 16, 17, 1000}) {
    const WorkerRooms<float> rooms(on.scratch, /*num_workers=*/3, elements);

    for (const int worker : {0, 1}) {
      const std::int64_t end = elements * static_cast<std::int64_t>(sizeof(float));
      EXPECT_GE(bytes_between(rooms, worker, worker + 1) - end, 20 * kLine) << elements;
      EXPECT_EQ(bytes_between(rooms, worker, worker + 1) % kLine, 0) << elements;
    }
  }
}

TEST(WorkerRooms, TakeNoMoreForOneWorkerThanItsElements) {
  OnDevice on;
  const std::int64_t before = on.scratch.used().value;

  const WorkerRooms<double> rooms(on.scratch, /*num_workers=*/1, /*elements=*/24);

  EXPECT_EQ(on.scratch.used().value - before, 24 * 8);
}

TEST(WorkerRooms, AreMeasuredAsTheyAreTaken) {
  OnDevice on;
  const std::int64_t before = on.scratch.used().value;
  ArenaMeasure measure;

  const WorkerRooms<float> real(on.scratch, /*num_workers=*/4, /*elements=*/33);
  const WorkerRooms<float> on_paper(measure, /*num_workers=*/4, /*elements=*/33);

  EXPECT_EQ(measure.peak().value, on.scratch.used().value - before);
}

}  // namespace
}  // namespace softmoe::ops::cpu
