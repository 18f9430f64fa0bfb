#pragma once

// Views of device memory: a place, a size, and for tensors an element type and a shape. They own
// nothing. Host code passes them on; only kernels (and HostCopy) look behind the pointer.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>

#include "runtime/base/dtype.h"
#include "runtime/base/errors.h"

namespace softmoe {

/// `size` elements of type T on a device. `View<const T>` reads, `View<T>` writes.
template <class T>
class View {
 public:
  View() = default;
  View(T* data, std::int64_t size) : data_(data), size_(size) {}
  /// Whoever may write may read.
  template <class Written>
  requires(std::is_same_v<const Written, T> && !std::is_same_v<Written, T>)
      View(View<Written> written)
      : View(written.data(), written.size()) {}

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::int64_t bytes() const { return size_ * static_cast<std::int64_t>(sizeof(T)); }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Elements [begin, end).
  [[nodiscard]] View part(std::int64_t begin, std::int64_t end) const {
    require(0 <= begin && begin <= end && end <= size_, "View::part outside the view");
    return {data_ + begin, end - begin};
  }
  /// For kernels on the host.
  [[nodiscard]] T& operator[](std::int64_t i) const { return data_[i]; }
  [[nodiscard]] std::span<T> span() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

/// Extents of a dense row-major tensor of at most four dims.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] std::int64_t operator[](int dim) const {
    return dims_[static_cast<std::size_t>(dim)];
  }
  [[nodiscard]] std::int64_t elements() const;
  [[nodiscard]] std::string to_string() const;  ///< "[3, 4]"
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, 4> dims_{};
  int rank_ = 0;
};

/// A dense row-major tensor on a device, its element type known at run time.
/// `Byte` is `std::byte` (TensorView, writes) or `const std::byte` (ConstTensorView, reads).
template <class Byte>
class BasicTensorView {
 public:
  template <class T>
  using Element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
  using Pointer = std::conditional_t<std::is_const_v<Byte>, const void*, void*>;

  BasicTensorView() = default;
  BasicTensorView(Pointer data, DType dtype, Shape shape)
      : data_(static_cast<Byte*>(data)), dtype_(dtype), shape_(shape) {}
  /// A typed view as a tensor of `shape`.
  template <class T>
  BasicTensorView(View<T> view, Shape shape)
      : BasicTensorView(view.data(), dtype_of<std::remove_const_t<T>>, shape) {
    require(view.size() == shape.elements(), "a tensor view has another size than its shape");
  }

  /// Whoever may write may read.
  template <class Written>
  requires(std::is_same_v<const Written, Byte> && !std::is_same_v<Written, Byte>)
      BasicTensorView(BasicTensorView<Written> written)
      : BasicTensorView(written.data(), written.dtype(), written.shape()) {}

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t dim(int i) const { return shape_[i]; }
  [[nodiscard]] std::int64_t elements() const { return shape_.elements(); }
  [[nodiscard]] std::int64_t bytes() const { return elements() * size_of(dtype_); }
  /// No elements; a default-made view, which stands for "not given", has none either.
  [[nodiscard]] bool empty() const { return data_ == nullptr || elements() == 0; }
  [[nodiscard]] Byte* data() const { return data_; }

  /// The elements, typed. @throws InvalidArgument if T is not the element type.
  template <class T>
  [[nodiscard]] View<Element<T>> as() const {
    if (dtype_ != dtype_of<T>) {
      throw InvalidArgument("a tensor of " + std::string(name_of(dtype_)) + " was used as " +
                            std::string(name_of(dtype_of<T>)));
    }
    return {reinterpret_cast<Element<T>*>(data_), elements()};
  }

  /// Elements [begin, end) of the outermost dim.
  [[nodiscard]] BasicTensorView rows(std::int64_t begin, std::int64_t end) const {
    require(shape_.rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0],
            "rows outside the tensor");
    const std::int64_t stride = shape_[0] == 0 ? 0 : bytes() / shape_[0];
    return {data_ + begin * stride, dtype_, with_outermost(end - begin)};
  }

  /// The same elements under another shape. @throws InvalidArgument if the counts differ.
  [[nodiscard]] BasicTensorView reshaped(Shape shape) const {
    require(shape.elements() == elements(), "a reshape changes the number of elements");
    return {data_, dtype_, shape};
  }

 private:
  [[nodiscard]] Shape with_outermost(std::int64_t extent) const {
    switch (shape_.rank()) {
      case 1:
        return {extent};
      case 2:
        return {extent, shape_[1]};
      case 3:
        return {extent, shape_[1], shape_[2]};
      default:
        return {extent, shape_[1], shape_[2], shape_[3]};
    }
  }

  Byte* data_ = nullptr;
  DType dtype_ = DType::f32;
  Shape shape_{0};  // a view of nothing is empty
};

using TensorView = BasicTensorView<std::byte>;
using ConstTensorView = BasicTensorView<const std::byte>;

}  // namespace softmoe
