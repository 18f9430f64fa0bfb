#include "runtime/ops/convert.h"

#include "runtime/device/cuda/launch.h"
#include "runtime/ops/cuda/storage.h"

namespace softmoe::ops::cuda {

namespace {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

constexpr int kThreads = 256;

template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    convert_elements(const From* source, To* target, std::int64_t size) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < size) target[i] = static_cast<To>(static_cast<float>(source[i]));
}

}  // namespace

void convert(ConstTensorView source, TensorView target, Stream& stream) {
  visit_storage("convert", source.dtype(), [&]<class From>() {
    visit_storage("convert", target.dtype(), [&]<class To>() {
      launch(&convert_elements<From, To>,
             {.blocks = blocks_for(source.elements(), kThreads), .threads = kThreads}, stream,
             source.as<From>().data(), target.as<To>().data(), source.elements());
    });
  });
}

}  // namespace softmoe::ops::cuda
