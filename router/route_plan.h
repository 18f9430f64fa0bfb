#pragma once

// Letters: T tokens, E experts, N rows: the (token, expert) pairs that run.

#include <cstdint>

#include "runtime/device/view.h"

namespace softmoe::router {

/// Which experts each token runs, and how strongly: compressed rows, any number of experts per
/// token from 0 to E, nothing padded. Computed once per layer and micro-batch, saved for backward,
/// never recomputed. All arrays live on the compute device; N is known on the host only through the
/// counts.
struct RoutePlan {
  std::int64_t num_tokens = 0;      ///< T
  std::int64_t num_experts = 0;     ///< E
  std::int64_t row_capacity = 0;    ///< rows the arrays have room for, >= N
  View<std::int32_t> row_begin_T1;  ///< first row of each token; the last entry is N
  View<std::int32_t> expert_N;      ///< expert of each row, rising within a token
  TensorView gate_N;                ///< weight of each row; f64 in an f64 model, else f32
  View<std::int32_t> count_E;       ///< rows of each expert

  // What the backward pass of the router reads. Of the type of the gates; empty for the kind
  // `hash`.
  TensorView scores_TE;    ///< [T, E] as the choice saw them: normalisation, gain, noise applied
  TensorView signed_f_TE;  ///< [T, E] min(p, 1 - p), minus where p <= 1/2: p and 1 - p from one
                           ///< number. p is LapSum's, or the softmax for the kind `top_k`
  TensorView anchor_T2;    ///< [T, 2] (score c, (c - b) / alpha): LapSum's b without cancellation;
                           ///< empty for the kind `top_k`
  TensorView score_scale_T;  ///< [T] 1 / RMS of the centred scores; empty without normalisation
  TensorView centred_TE;  ///< [T, E] centred, scaled, before the gain; empty without normalisation
};

}  // namespace softmoe::router
