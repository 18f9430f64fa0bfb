#include "tests/support/on_device.h"

#include <cstdlib>

#include "runtime/device/cuda_device.h"

namespace softmoe::test {

namespace {

std::unique_ptr<Device> make_device(Backend backend, int num_threads) {
  if (backend == Backend::cuda) return make_cuda_device(LocalRank(0));
  CpuDevice::Options options{
      .backend = backend, .num_threads = num_threads, .poison = std::byte{0xff}};
  if (const char* seed = std::getenv("SOFTMOE_TEST_DEFERRED")) {
    options.deferred_seed = std::strtoull(seed, nullptr, 10);
  }
  return std::make_unique<CpuDevice>(options);
}

}  // namespace

OnDevice::OnDevice(Backend backend, int num_threads, Bytes arena)
    : OnDevice(make_device(backend, num_threads), arena) {}

OnDevice::OnDevice(std::unique_ptr<Device> of_test, Bytes arena)
    : owned_device_(std::move(of_test)),
      device(*owned_device_),
      stream(device),
      exchange(device, StreamPriority::high),
      reduce(device, StreamPriority::high),
      saved(device, arena),
      scratch(device, arena),
      work{.saved = saved,
           .scratch = scratch,
           .compute = stream,
           .exchange = exchange,
           .reduce = reduce,
           .progress = progress} {}

}  // namespace softmoe::test
