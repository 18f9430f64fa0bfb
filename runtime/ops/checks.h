#pragma once

// What an operation demands of its tensors, with messages that name the operation, the tensor and
// the shapes. Checked once, by the dispatcher; kernels rely on it.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "runtime/device/view.h"

namespace softmoe::ops {

struct NamedTensor {
  std::string_view name;
  ConstTensorView tensor;
};

/// Checks of one operation.
class Checks {
 public:
  explicit Checks(std::string_view operation) : operation_(operation) {}

  /// @throws InvalidArgument "swiglu: a_MF has shape [3, 4], must be [3, 8]"
  void shape(NamedTensor named, const Shape& wanted) const;
  /// @throws InvalidArgument "gemm: a has shape [3], must have 2 dims"
  void rank(NamedTensor named, int wanted) const;
  /// @throws InvalidArgument "gemm: b is of bf16, must be f32"
  void dtype(NamedTensor named, DType wanted) const;
  /// A floating type, shared by all of `tensors`. @throws InvalidArgument
  void same_float(std::initializer_list<NamedTensor> tensors) const;
  /// f64 if `storage` is, else f32: the type of what is kept in full precision beside it.
  void kept_beside(NamedTensor named, DType storage) const;
  /// @throws InvalidArgument "adamw: update is 0, must be at least 1"
  void at_least(std::string_view name, std::int64_t value, std::int64_t minimum) const;
  void equal(std::string_view name, std::int64_t value, std::int64_t wanted) const;
  /// Groups' rows lie behind one another and fill [0, num_rows): row_begin has num_groups + 1
  /// entries, from 0 to num_rows and never falling. @throws InvalidArgument naming the entry
  void groups(std::span<const std::int64_t> row_begin, std::int64_t num_groups,
              std::int64_t num_rows) const;

 private:
  std::string_view operation_;
};

/// @throws InvalidArgument "gather_rows: entry 7 names row 9, but there are 8"
[[noreturn]] void refuse_row(std::string_view operation, std::int64_t entry, std::int64_t row,
                             std::int64_t num_rows);

/// Rows and index numbers come from data, so even kernels look at them.
/// @throws InvalidArgument as refuse_row()
inline void require_row(std::string_view operation, std::int64_t entry, std::int64_t row,
                        std::int64_t num_rows) {
  if (row < 0 || row >= num_rows) refuse_row(operation, entry, row, num_rows);
}

}  // namespace softmoe::ops
