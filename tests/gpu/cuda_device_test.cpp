// Streams, events, copies and errors of a GPU.

#include "runtime/device/cuda_device.h"

#include <gmock/gmock.h>

#include "runtime/ops/elementwise.h"
#include "tests/gpu/orders.h"
#include "tests/support/on_device.h"

namespace softmoe::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(CudaDevice, IsChosenByTheLocalRankAmongThoseThereAre) {
  const int num_devices = cuda_availability().num_devices;

  const auto first = make_cuda_device(LocalRank(0));
  const auto again = make_cuda_device(LocalRank(num_devices));

  EXPECT_EQ(first->backend(), Backend::cuda);
  EXPECT_NE(first->accelerator(), nullptr);
  EXPECT_EQ(again->backend(), Backend::cuda);
}

TEST(CudaDevice, SaysWhatItCouldNotAllocate) {
  const auto device = make_cuda_device(LocalRank(0));

  EXPECT_THAT([&] { (void)device->allocate(Bytes(std::int64_t{1} << 50)); },
              ThrowsMessage<DeviceError>(HasSubstr("cudaMalloc of 1125899906842624 bytes")));
}

TEST(CudaDevice, GivesNothingForNoBytes) {
  const auto device = make_cuda_device(LocalRank(0));

  EXPECT_EQ(device->allocate(Bytes(0)), nullptr);
}

TEST(CudaDevice, GivesHostMemoryThatTheHostMayTouch) {
  const auto device = make_cuda_device(LocalRank(0));

  auto* numbers = static_cast<int*>(device->allocate_host(Bytes(8)));
  numbers[1] = 7;

  EXPECT_EQ(numbers[1], 7);
  device->deallocate_host(numbers, Bytes(8));
}

TEST(CudaDevice, ThrowsInTheNextWaitWhatWasFoundBehindItsBack) {
  OnDevice on(Backend::cuda);

  on.device.accelerator()->fail(std::make_exception_ptr(CommError("rank 3 is late")));

  EXPECT_THAT([&] { on.stream.synchronize(); },
              ThrowsMessage<CommError>(HasSubstr("rank 3 is late")));
}

TEST(CudaStream, RefusesCodeOfTheHost) {
  OnDevice on(Backend::cuda);

  EXPECT_THROW(on.stream.run([] {}), InternalError);
}

TEST(CudaStream, BringsNumbersThereAndBack) {
  expect_equal_in_every_order([] {
    OnDevice on(Backend::cuda);
    return on.download(on.upload<float>({1, 2, 3}));
  });
}

TEST(CudaStream, CopiesWithinTheDevice) {
  OnDevice on(Backend::cuda);
  const View<float> from = on.upload<float>({4, 5});
  const View<float> to = on.saved.push<float>(2);

  on.stream.copy(to.data(), from.data(), Bytes(to.bytes()), CopyDirection::within_device);

  EXPECT_THAT(on.download(to), ElementsAre(4, 5));
}

TEST(CudaStream, HonoursAnEventOfAnotherStreamInEveryOrder) {
  for (std::uint64_t order = 1; order <= 4 * kNumOrders; ++order) {
    draw_order(order);
    OnDevice on(Backend::cuda);
    const TensorView sum = on.upload(std::vector<float>(100, 1), {100});
    const TensorView one = on.upload(std::vector<float>(100, 1), {100});

    join(on.stream, on.exchange);
    ops::add(one, sum, on.exchange);
    ops::add(sum, sum, on.exchange);
    join(on.exchange, on.stream);
    ops::add(one, sum, on.stream);

    EXPECT_THAT(on.download<float>(sum), Each(5)) << "order " << order;
  }
}

TEST(CudaStream, WaitsForNothingBehindAnEventNeverRecorded) {
  OnDevice on(Backend::cuda);
  const Event never_recorded;

  on.stream.wait_for(never_recorded);
  on.stream.host_wait(never_recorded);

  EXPECT_NO_THROW(on.stream.synchronize());
}

TEST(CudaArena, NamesTheCureWhenItIsTooSmall) {
  const auto device = make_cuda_device(LocalRank(0));
  Arena arena(*device, Bytes(1024));

  EXPECT_THAT([&] { (void)arena.push<float>(1000); },
              ThrowsMessage<DeviceError>(HasSubstr("raise runtime.arena_bytes")));
}

}  // namespace
}  // namespace softmoe::test
