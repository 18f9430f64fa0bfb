#pragma once

// One operation on the specification and on a GPU.

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "tests/gpu/orders.h"
#include "tests/support/near.h"
#include "tests/support/numbers.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// A tensor amid numbers that nobody may touch.
template <class T>
class Guarded {
 public:
  /// @param shift  elements from an aligned address to the tensor
  Guarded(OnDevice& device, const std::vector<T>& values, Shape shape, std::int64_t shift = 0)
      : device_(&device), front_(kGuard + shift), shape_(shape) {
    std::vector<T> all(static_cast<std::size_t>(front_), static_cast<T>(kUntouched));
    all.insert(all.end(), values.begin(), values.end());
    all.insert(all.end(), kGuard, static_cast<T>(kUntouched));
    all_ = device.upload(std::move(all));
  }

  [[nodiscard]] View<T> view() const { return all_.part(front_, all_.size() - kGuard); }
  [[nodiscard]] TensorView tensor() const { return {view(), shape_}; }

  /// The numbers of the tensor; those around it must be what they were.
  [[nodiscard]] std::vector<T> download() const {
    std::vector<T> all = device_->download(all_);
    const auto begin = all.begin() + front_;
    const auto end = all.end() - kGuard;
    const auto is_touched = [](T number) { return number != static_cast<T>(kUntouched); };
    EXPECT_TRUE(std::none_of(all.begin(), begin, is_touched)) << "written before the tensor";
    EXPECT_TRUE(std::none_of(end, all.end(), is_touched)) << "written behind the tensor";
    return {begin, end};
  }

 private:
  static constexpr int kGuard = 64;
  static constexpr float kUntouched = 77;

  OnDevice* device_;
  std::int64_t front_;
  Shape shape_;
  View<T> all_;
};

/// `count` numbers that an operation has to overwrite without a look at them.
template <class T>
[[nodiscard]] std::vector<T> garbage(std::int64_t count) {
  return std::vector<T>(static_cast<std::size_t>(count), std::numeric_limits<T>::quiet_NaN());
}
template <>
[[nodiscard]] inline std::vector<Bf16> garbage<Bf16>(std::int64_t count) {
  return std::vector<Bf16>(static_cast<std::size_t>(count),
                           Bf16(std::numeric_limits<float>::quiet_NaN()));
}

/// `count` integers from -4 to 4 as floating numbers: their products and sums are exact.
template <class T>
[[nodiscard]] std::vector<T> small_integers(std::int64_t count, std::uint64_t seed) {
  std::vector<T> numbers;
  numbers.reserve(static_cast<std::size_t>(count));
  for (const std::int32_t number : integers(count, 9, seed)) {
    numbers.push_back(static_cast<T>(static_cast<float>(number - 4)));
  }
  return numbers;
}

/// Calls `visit.operator()<T>()` for each storage type of a GPU.
template <class Visit>
void for_each_storage(Visit&& visit) {
  {
    SCOPED_TRACE("f32");
    visit.template operator()<float>();
  }
  SCOPED_TRACE("bf16");
  visit.template operator()<Bf16>();
}

class OnBoth {
 public:
  /// Runs `operation(OnDevice&) -> std::vector<T>` on all of them. A GPU gives what the
  /// specification does, bit for bit.
  template <class Operation>
  void expect_equal(const Operation& operation) {
    EXPECT_TRUE(same_bits(on_gpu(operation), on(specification_, operation)));
  }
  /// A GPU is within the bound, f32 or bf16.
  template <class Operation>
  void expect_within(const Operation& operation, const UlpBound& bound) {
    EXPECT_TRUE(within(on_gpu(operation), on(specification_, operation), bound));
  }
  template <class Operation>
  void expect_near(const Operation& operation, const Tolerance& tolerance) {
    EXPECT_TRUE(near(on_gpu(operation), on(specification_, operation), tolerance));
  }

 private:
  template <class Operation>
  static auto on(OnDevice& device, const Operation& operation) {
    const ArenaScope saved(device.saved);
    return operation(device);
  }
  /// Twice, and each time in another order, which must not show.
  template <class Operation>
  auto on_gpu(const Operation& operation) {
    draw_order(++order_);
    const auto once = on(gpu_, operation);
    draw_order(++order_);
    EXPECT_TRUE(same_bits(on(gpu_, operation), once)) << "another order gave other bits";
    return once;
  }

  OnDevice specification_{Backend::reference};
  OnDevice gpu_{Backend::cuda};
  std::uint64_t order_ = 0;
};

}  // namespace softmoe::test
