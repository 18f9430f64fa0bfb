#include "runtime/ops/elementwise.h"

#include <algorithm>

#include "runtime/ops/cuda/scale.h"
#include "runtime/ops/cuda/storage.h"
#include "runtime/ops/cuda/unit.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;
using softmoe::cuda::LaunchShape;

namespace {

constexpr int kThreads = 256;

LaunchShape one_thread_per_unit(std::int64_t units) {
  return {.blocks = blocks_for(units, kThreads), .threads = kThreads};
}

__device__ std::int64_t thread_of_grid() {
  return std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
}

template <class T, Access kAccess>
__global__ void __launch_bounds__(kThreads)
    add_kernel(const T* source, T* target, std::int64_t size) {
  const std::int64_t unit = thread_of_grid();
  if (unit * kUnit<T> >= size) return;
  const UnitValues<T> added = load_unit<kAccess>(source, unit, size);
  UnitValues<T> sum = load_unit<kAccess>(target, unit, size);
  for (int i = 0; i < kUnit<T>; ++i) sum.at[i] += added.at[i];
  store_unit<kAccess>(target, unit, size, sum);
}

template <class T, Access kAccess>
__global__ void __launch_bounds__(kThreads) scale_kernel(T* x, float factor, std::int64_t size) {
  const std::int64_t unit = thread_of_grid();
  if (unit * kUnit<T> >= size) return;
  UnitValues<T> values = load_unit<kAccess>(x, unit, size);
  for (int i = 0; i < kUnit<T>; ++i) values.at[i] *= factor;
  store_unit<kAccess>(x, unit, size, values);
}

}  // namespace

void fill_zero(TensorView x, Stream& stream) {
  if (x.empty()) return;
  stream.device().accelerator()->fill_zero(x.data(), Bytes(x.bytes()), stream.handle());
}

void copy(ConstTensorView source, TensorView target, Stream& stream) {
  stream.copy(target.data(), source.data(), Bytes(source.bytes()), CopyDirection::within_device);
}

void add(ConstTensorView source, TensorView target, Stream& stream) {
  const std::int64_t size = source.elements();
  visit_storage("add", source.dtype(), [&]<class T>() {
    const bool in_units = access_to(0, {source.data(), target.data()}) == Access::units;
    launch(in_units ? &add_kernel<T, Access::units> : &add_kernel<T, Access::elements>,
           one_thread_per_unit(units_of(size, kUnit<T>)), stream, source.as<T>().data(),
           target.as<T>().data(), size);
  });
}

void scale(TensorView x, double factor, Stream& stream) {
  if (factor == 1.0) return;
  if (factor == 0.0) return fill_zero(x, stream);
  const std::int64_t size = x.elements();
  visit_storage("scale", x.dtype(), [&]<class T>() {
    const bool in_units = access_to(0, {x.data()}) == Access::units;
    launch(in_units ? &scale_kernel<T, Access::units> : &scale_kernel<T, Access::elements>,
           one_thread_per_unit(units_of(size, kUnit<T>)), stream, x.as<T>().data(), factor, size);
  });
}

}  // namespace softmoe::ops::cuda
