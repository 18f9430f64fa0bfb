#pragma once

// Room of a MoE layer's pass: what it leaves for backward and what it works with. `Memory` is an
// Arena or an ArenaMeasure.
// Letters: T tokens, H hidden, F inner width, N rows sent, M rows received.

#include <cstdint>

#include "runtime/device/view.h"

namespace softmoe::experts {

/// What forward leaves for backward.
enum class Keep : std::uint8_t {
  rows,  ///< the rows received and their inner rows
  plan,  ///< the route plan alone: backward dispatches the rows again
};

/// The order in which rows travel: by expert, and within an expert by token. [room for rows]
struct RowOrder {
  View<std::int32_t> row_at;    ///< place in the send buffer -> row of the plan
  View<std::int32_t> token_at;  ///< place in the send buffer -> token
  View<std::int32_t> place_of;  ///< row of the plan -> place in the send buffer
};

template <class Memory>
[[nodiscard]] RowOrder push_order(std::int64_t row_capacity, Memory& saved) {
  return {.row_at = saved.template push<std::int32_t>(row_capacity),
          .token_at = saved.template push<std::int32_t>(row_capacity),
          .place_of = saved.template push<std::int32_t>(row_capacity)};
}

/// What the experts of this rank were given, and the inner rows that backward reads.
struct ReceivedRows {
  TensorView x_MH;
  TensorView gate_M1;
  TensorView h_M2F;
};

template <class Memory>
[[nodiscard]] ReceivedRows push_received(DType dtype, std::int64_t rows, std::int64_t hidden,
                                         std::int64_t two_inner, Memory& saved) {
  return {.x_MH = saved.push(dtype, {rows, hidden}),
          .gate_M1 = saved.push(compute_type_of(dtype), {rows, 1}),
          .h_M2F = saved.push(dtype, {rows, two_inner})};
}

/// Gradients on their way through the experts of this rank.
struct ReturnedGradients {
  TensorView d_rows_MH;
  TensorView d_x_MH;
  TensorView d_gate_M1;
};

template <class Memory>
[[nodiscard]] ReturnedGradients push_gradients(DType dtype, std::int64_t received,
                                               std::int64_t hidden, Memory& scratch) {
  return {.d_rows_MH = scratch.push(dtype, {received, hidden}),
          .d_x_MH = scratch.push(dtype, {received, hidden}),
          .d_gate_M1 = scratch.push(compute_type_of(dtype), {received, 1})};
}

}  // namespace softmoe::experts
