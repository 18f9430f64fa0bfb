#pragma once

// Letters: M rows received, H hidden, F inner width, e experts on this rank.

#include <cstdint>
#include <span>

#include "runtime/device/parameter.h"
#include "runtime/device/workspace.h"

namespace softmoe::experts {

/// The SwiGLU experts of this rank over rows that lie behind one another by expert.
struct GroupedFfnWeights {
  Parameter gate_up_e2FH;  ///< [e, 2 F, H]
  Parameter down_eHF;      ///< [e, H, F]

  /// Experts [begin, end) of them.
  [[nodiscard]] GroupedFfnWeights experts(std::int64_t begin, std::int64_t end) const;
};

/// What one pass works on; `x_MH`, `gate_M` and `h_M2F` are kept for backward by the caller.
struct GroupedFfnRows {
  ConstTensorView x_MH;
  ConstTensorView gate_M;  ///< weight of each row: enters before the second product, so the combine
                           ///< is a plain sum
  TensorView h_M2F;        ///< written by forward, read by backward
  std::span<const std::int64_t>
      row_begin_e1;  ///< host; first row of each run of each expert, the last entry is M
  /// The rows of an expert come in so many runs. A row's bits depend on its run alone, and so does
  /// each of the `runs` contributions to the gradient of an expert's weights.
  int runs = 1;

  /// Rows [begin, end), which are all the rows of some neighbouring experts.
  /// @param begin_of_each  their row_begin, counted from `begin`
  [[nodiscard]] GroupedFfnRows part(std::int64_t begin, std::int64_t end,
                                    std::span<const std::int64_t> begin_of_each) const;
};

/// y = (silu(h1) * h3 * gate) W_down^T with [h1 | h3] = x W_gate_up^T, per expert.
void grouped_ffn(const GroupedFfnWeights& weights, const GroupedFfnRows& rows, TensorView y_MH,
                 Workspace& work);

/// h of grouped_ffn() alone: what backward reads, where it was not kept.
void grouped_ffn_inner(const GroupedFfnWeights& weights, const GroupedFfnRows& rows,
                       Workspace& work);

/// Adds the weights' gradients; writes d_x_MH and d_gate_M [M]. The activation is computed from h
/// again, and h's gradient takes the place of h.
void grouped_ffn_backward(const GroupedFfnWeights& weights, const GroupedFfnRows& rows,
                          ConstTensorView d_y_MH, TensorView d_x_MH, TensorView d_gate_M,
                          Workspace& work);

}  // namespace softmoe::experts
