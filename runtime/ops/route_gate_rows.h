#pragma once

#include <algorithm>

#include "runtime/ops/lapsum_values.h"
#include "runtime/ops/route_gates.h"

namespace softmoe::ops {

/// The rows of the pattern, for kernels on the host.
template <class T>
class GateRows {
 public:
  explicit GateRows(const RouteGatesArguments& arguments)
      : row_begin_R1_(arguments.sparse.row_begin_R1),
        column_N_(arguments.sparse.column_N),
        form_(arguments.form),
        tau_(static_cast<T>(arguments.tau)),
        gate_N_(arguments.gate_N.as<T>()) {
    if (form_ == GateForm::equal) return;
    signed_f_RC_ = arguments.signed_f_RC.as<T>();
    columns_ = arguments.signed_f_RC.dim(1);
  }

  void write_gates(std::int64_t row) const {
    const auto [begin, end, signed_f_C] = entries(row);
    const T share_of_each = 1 / static_cast<T>(end - begin);
    const T sum = form_ == GateForm::share ? sum_of_p(row) : 0;
    for (std::int64_t i = begin; i < end; ++i) {
      switch (form_) {
        case GateForm::probability:
          gate_N_[i] = p(signed_f_C, i);
          break;
        case GateForm::excess: {
          const T excess = p(signed_f_C, i) - tau_;
          gate_N_[i] = end - begin == 1 && excess <= 0 ? p(signed_f_C, i) : excess;
          break;
        }
        case GateForm::share:
          gate_N_[i] = sum > 0 ? p(signed_f_C, i) / sum : share_of_each;
          break;
        case GateForm::equal:
          gate_N_[i] = share_of_each;
          break;
      }
    }
  }

  /// @param d_p_C  the row's gradient; was zero
  void write_gradient(std::int64_t row, View<const T> d_gate_N, T* d_p_C) const {
    if (form_ == GateForm::equal) return;
    const auto [begin, end, signed_f_C] = entries(row);
    T scale = 1;
    T common = 0;
    if (form_ == GateForm::share) {
      const T sum = sum_of_p(row);
      scale = sum > 0 ? 1 / sum : 0;
      for (std::int64_t i = begin; i < end; ++i) common += d_gate_N[i] * gate_N_[i];
    }
    for (std::int64_t i = begin; i < end; ++i) {
      d_p_C[column_N_[i]] = (d_gate_N[i] - common) * scale;
    }
  }

 private:
  struct Entries {
    std::int64_t begin;
    std::int64_t end;
    const T* signed_f_C;  ///< of the row; null with `equal`
  };

  [[nodiscard]] Entries entries(std::int64_t row) const {
    return {.begin = row_begin_R1_[row],
            .end = row_begin_R1_[row + 1],
            .signed_f_C = signed_f_RC_.data() + row * columns_};
  }
  [[nodiscard]] T p(const T* signed_f_C, std::int64_t entry) const {
    return probability_of(signed_f_C[column_N_[entry]]);
  }
  [[nodiscard]] T sum_of_p(std::int64_t row) const {
    const auto [begin, end, signed_f_C] = entries(row);
    T sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum += p(signed_f_C, i);
    return sum;
  }

  View<const std::int32_t> row_begin_R1_;
  View<const std::int32_t> column_N_;
  GateForm form_;
  T tau_;
  View<T> gate_N_;
  View<const T> signed_f_RC_;
  std::int64_t columns_ = 0;
};

}  // namespace softmoe::ops
