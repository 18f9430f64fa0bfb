#include "runtime/device/stream.h"

#include <gmock/gmock.h>

#include "runtime/device/host_copy.h"

namespace softmoe {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t kSeeds = 64;

CpuDevice deferred(std::uint64_t seed) {
  return CpuDevice({.deferred_seed = seed, .poison = std::byte{0}});
}

/// One stream writes 1, the other doubles: 2 if the second waits, maybe 0 if it does not.
class WriteThenDouble {
 public:
  explicit WriteThenDouble(std::uint64_t seed) : device_(deferred(seed)) {}

  template <class Between>
  int run(const Between& between) {
    int value = 0;
    writer_.run([&value] { value = 1; });
    between(writer_, doubler_);
    doubler_.run([&value] { value *= 2; });
    writer_.synchronize();
    doubler_.synchronize();
    return value;
  }

 private:
  CpuDevice device_;
  Stream writer_{device_};
  Stream doubler_{device_};
};

TEST(Stream, RunsWorkAtOnceUnlessDeferred) {
  CpuDevice device({});
  Stream stream(device);
  int value = 0;

  stream.run([&value] { value = 1; });

  EXPECT_EQ(value, 1);
}

TEST(DeferredStream, HoldsWorkUntilSomebodyWaits) {
  CpuDevice device = deferred(1);
  Stream stream(device);
  int value = 0;

  stream.run([&value] { value = 1; });

  EXPECT_EQ(value, 0);
  stream.synchronize();
  EXPECT_EQ(value, 1);
}

TEST(DeferredStream, KeepsTheOrderWithinAStreamForAllSeeds) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CpuDevice device = deferred(seed);
    Stream stream(device);
    std::vector<int> order;

    for (int i = 0; i < 6; ++i) stream.run([&order, i] { order.push_back(i); });
    stream.synchronize();

    EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

TEST(DeferredStream, HonoursAnEventForAllSeeds) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    WriteThenDouble streams(seed);

    const int value = streams.run([](Stream& writer, Stream& doubler) {
      Event written;
      writer.record(written);
      doubler.wait_for(written);
    });

    EXPECT_EQ(value, 2) << "seed " << seed;
  }
}

TEST(DeferredStream, CatchesAMissingEventWithSomeSeed) {
  int caught = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    WriteThenDouble streams(seed);

    caught += streams.run([](Stream&, Stream&) {}) != 2 ? 1 : 0;
  }

  EXPECT_GT(caught, 0);
  EXPECT_LT(caught, static_cast<int>(kSeeds));
}

TEST(DeferredStream, CatchesAnEventRecordedTooEarlyWithSomeSeed) {
  int caught = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CpuDevice device = deferred(seed);
    Stream writer(device);
    Stream reader(device);
    Event too_early;
    int value = 0;
    int seen = -1;

    writer.record(too_early);
    writer.run([&value] { value = 1; });
    reader.wait_for(too_early);
    reader.run([&value, &seen] { seen = value; });
    writer.synchronize();
    reader.synchronize();

    caught += seen != 1 ? 1 : 0;
  }

  EXPECT_GT(caught, 0);
}

TEST(DeferredStream, WaitsForAnEventOnlyAsFarAsNeeded) {
  CpuDevice device = deferred(3);
  Stream stream(device);
  Event first_done;
  std::vector<int> order;

  stream.run([&order] { order.push_back(0); });
  stream.record(first_done);
  stream.run([&order] { order.push_back(1); });
  stream.host_wait(first_done);

  EXPECT_THAT(order, ElementsAre(0));
  stream.synchronize();
}

TEST(DeferredStream, WaitsForNothingBehindAnEventNeverRecorded) {
  CpuDevice device = deferred(3);
  Stream stream(device);
  const Event never_recorded;

  stream.wait_for(never_recorded);
  stream.host_wait(never_recorded);
  int value = 0;
  stream.run([&value] { value = 1; });
  stream.synchronize();

  EXPECT_EQ(value, 1);
}

TEST(DeferredStream, LetsAFailureOutOfTheWait) {
  CpuDevice device = deferred(1);
  Stream stream(device);

  stream.run([] { throw InvalidArgument("in a kernel"); });

  EXPECT_THROW(stream.synchronize(), InvalidArgument);
}

TEST(HostCopy, WaitsForTheNumbersForAllSeeds) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CpuDevice device = deferred(seed);
    Stream stream(device);
    const DeviceBuffer memory(device, Bytes(12));
    const View<std::int32_t> numbers = memory.as<std::int32_t>();
    const std::vector<std::int32_t> source = {4, 5, 6};

    upload(std::span(source), numbers, stream);
    stream.run([numbers] { numbers[1] = 50; });
    HostBuffer<std::int32_t> buffer;
    const HostCopy<std::int32_t> copy(numbers, buffer, stream);
    stream.run([numbers] { numbers[0] = -1; });  // later work does not reach into the copy

    EXPECT_THAT(copy.wait(), ElementsAre(4, 50, 6));
    stream.synchronize();
  }
}

TEST(HostCopy, OfNothingIsEmpty) {
  CpuDevice device({});
  Stream stream(device);
  HostBuffer<float> buffer;

  const HostCopy<float> copy(View<const float>(), buffer, stream);

  EXPECT_TRUE(copy.wait().empty());
}

TEST(Upload, RefusesAnotherSize) {
  CpuDevice device({});
  Stream stream(device);
  const DeviceBuffer memory(device, Bytes(12));
  const std::vector<std::int32_t> two = {1, 2};

  EXPECT_THROW(upload(std::span(two), memory.as<std::int32_t>(), stream), InvalidArgument);
}

}  // namespace
}  // namespace softmoe
