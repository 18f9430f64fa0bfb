#pragma once

#include <algorithm>

#include "runtime/ops/lapsum_values.h"
#include "runtime/ops/route_gates.h"

namespace softmoe::ops {

/// One row of the pattern, for kernels on the host.
template <class T>
class GateRow {
 public:
  GateRow(const RouteGatesArguments& arguments, std::int64_t row)
      : arguments_(&arguments),
        begin_(arguments.sparse.row_begin_R1[row]),
        end_(arguments.sparse.row_begin_R1[row + 1]),
        gates_(arguments.gate_N.as<T>()) {
    if (arguments.form != GateForm::equal) {
      signed_f_ = arguments.signed_f_RC.as<T>().data() + row * arguments.signed_f_RC.dim(1);
    }
  }

  void write_gates() const {
    const T share_of_each = 1 / static_cast<T>(end_ - begin_);
    const T sum = arguments_->form == GateForm::share ? sum_of_p() : 0;
    for (std::int64_t i = begin_; i < end_; ++i) {
      switch (arguments_->form) {
        case GateForm::probability:
          gates_[i] = p(i);
          break;
        case GateForm::excess: {
          const T excess = p(i) - static_cast<T>(arguments_->tau);
          gates_[i] = end_ - begin_ == 1 && excess <= 0 ? p(i) : excess;
          break;
        }
        case GateForm::share:
          gates_[i] = sum > 0 ? p(i) / sum : share_of_each;
          break;
        case GateForm::equal:
          gates_[i] = share_of_each;
          break;
      }
    }
  }

  /// @param d_p_C  the row's gradient; was zero
  void write_gradient(View<const T> d_gate_N, T* d_p_C) const {
    if (arguments_->form == GateForm::equal) return;
    T scale = 1;
    T common = 0;
    if (arguments_->form == GateForm::share) {
      const T sum = sum_of_p();
      scale = sum > 0 ? 1 / sum : 0;
      for (std::int64_t i = begin_; i < end_; ++i) common += d_gate_N[i] * gates_[i];
    }
    for (std::int64_t i = begin_; i < end_; ++i) {
      d_p_C[column(i)] = (d_gate_N[i] - common) * scale;
    }
  }

 private:
  [[nodiscard]] std::int32_t column(std::int64_t entry) const {
    return arguments_->sparse.column_N[entry];
  }
  [[nodiscard]] T p(std::int64_t entry) const { return probability_of(signed_f_[column(entry)]); }
  [[nodiscard]] T sum_of_p() const {
    T sum = 0;
    for (std::int64_t i = begin_; i < end_; ++i) sum += p(i);
    return sum;
  }

  const RouteGatesArguments* arguments_;
  std::int64_t begin_;
  std::int64_t end_;
  View<T> gates_;
  const T* signed_f_ = nullptr;
};

}  // namespace softmoe::ops
