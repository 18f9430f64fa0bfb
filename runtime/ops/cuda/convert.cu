#include "runtime/ops/convert.h"

#include "runtime/ops/cuda/storage.h"
#include "runtime/ops/cuda/unit.h"

namespace softmoe::ops::cuda {

namespace {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

constexpr int kThreads = 256;

/// Of one thread.
constexpr int kElements = 4;

template <class T>
struct alignas(kElements * sizeof(T)) Few {
  T at[kElements];
};

template <class From, class To>
__device__ void convert_one(const From& source, To& target) {
  target = static_cast<To>(static_cast<float>(source));
}

template <class From, class To, Access kAccess>
__global__ void __launch_bounds__(kThreads)
    convert_elements(const From* source, To* target, std::int64_t size) {
  const std::int64_t first = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * kElements;
  if (kAccess == Access::units && first + kElements <= size) {
    const Few<From> read = *reinterpret_cast<const Few<From>*>(source + first);
    Few<To> written;
    for (int i = 0; i < kElements; ++i) convert_one(read.at[i], written.at[i]);
    *reinterpret_cast<Few<To>*>(target + first) = written;
    return;
  }
  for (std::int64_t i = first; i < first + kElements && i < size; ++i)
    convert_one(source[i], target[i]);
}

}  // namespace

void convert(ConstTensorView source, TensorView target, Stream& stream) {
  visit_storage("convert", source.dtype(), [&]<class From>() {
    visit_storage("convert", target.dtype(), [&]<class To>() {
      const bool in_units = access_to(0, {source.data(), target.data()}) == Access::units;
      launch(in_units ? &convert_elements<From, To, Access::units>
                      : &convert_elements<From, To, Access::elements>,
             {.blocks = blocks_for(source.elements(), kThreads * kElements), .threads = kThreads},
             stream, source.as<From>().data(), target.as<To>().data(), source.elements());
    });
  });
}

}  // namespace softmoe::ops::cuda
