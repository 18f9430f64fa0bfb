#include "tests/support/on_device.h"

#include <cstdlib>

namespace softmoe::test {

namespace {

CpuDevice::Options options(Backend backend, int num_threads) {
  CpuDevice::Options result{
      .backend = backend, .num_threads = num_threads, .poison = std::byte{0xff}};
  if (const char* seed = std::getenv("SOFTMOE_TEST_DEFERRED")) {
    result.deferred_seed = std::strtoull(seed, nullptr, 10);
  }
  return result;
}

}  // namespace

OnDevice::OnDevice(Backend backend, int num_threads, Bytes arena)
    : device(options(backend, num_threads)),
      stream(device),
      exchange(device),
      saved(device, arena),
      scratch(device, arena),
      work{.saved = saved,
           .scratch = scratch,
           .compute = stream,
           .exchange = exchange,
           .progress = progress} {}

}  // namespace softmoe::test
