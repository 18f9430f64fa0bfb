#pragma once

// A device, arenas and a stream for a test, with uploads and downloads of small vectors.

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "runtime/device/host_copy.h"
#include "runtime/device/workspace.h"

namespace softmoe::test {

/// The device that a test runs on. The environment variable SOFTMOE_TEST_DEFERRED, if set, holds a
/// seed and puts every test into deferred mode. Fresh memory is NaN.
class OnDevice {
 public:
  static constexpr Bytes kArena{std::int64_t{48} << 20};

  /// @param backend cuda: the first GPU, or the first emulated one.
  /// @param arena of `saved` and of `scratch` each.
  explicit OnDevice(Backend backend = Backend::cpu, int num_threads = 1, Bytes arena = kArena);
  /// On a device of the test's own.
  explicit OnDevice(std::unique_ptr<Device> device, Bytes arena = kArena);

  /// Copies `values` to fresh device memory that lives as long as this object.
  template <class T>
  View<T> upload(std::vector<T> values) {
    const View<T> target = saved.push<T>(static_cast<std::int64_t>(values.size()));
    kept_.push_back(std::make_shared<std::vector<T>>(std::move(values)));
    softmoe::upload(std::span<const T>(*std::static_pointer_cast<std::vector<T>>(kept_.back())),
                    target, stream);
    return target;
  }
  /// The same as a tensor.
  template <class T>
  TensorView upload(std::vector<T> values, Shape shape) {
    return {upload(std::move(values)), shape};
  }
  template <class T>
  std::vector<std::remove_const_t<T>> download(View<T> source) {
    HostBuffer<std::remove_const_t<T>> buffer;
    const HostCopy<std::remove_const_t<T>> copy(source, buffer, stream);
    const auto numbers = copy.wait();
    return {numbers.begin(), numbers.end()};
  }
  template <class T, class Byte>
  std::vector<T> download(BasicTensorView<Byte> source) {
    return download(View<const T>(source.template as<T>()));
  }

  // In the order of construction: the device first, whatever uses it later.
 private:
  std::unique_ptr<Device> owned_device_;

 public:
  Device& device;
  Stream stream;
  Stream exchange;
  Stream reduce;
  Arena saved;
  Arena scratch;
  Progress progress;
  Workspace work;

 private:
  std::deque<std::shared_ptr<void>> kept_;
};

}  // namespace softmoe::test
