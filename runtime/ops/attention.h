#pragma once

// Letters: B sequences, Q queries per sequence, K keys per sequence, D size of one head.

#include "runtime/device/arena.h"
#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

struct AttentionShape {
  std::int64_t sequences = 0;  ///< B
  std::int64_t queries = 0;    ///< Q
  std::int64_t keys = 0;       ///< K >= Q; query i sees keys 0 .. K - Q + i of its sequence
  int heads = 1;
  int kv_heads = 1;   ///< divides heads; head h reads kv head h / (heads / kv_heads)
  int head_size = 0;  ///< D
};

/// Grouped-query causal attention, o = softmax(q k^T / sqrt(D)) v (Ainslie et al., arXiv
/// 2305.13245). Rows of different sequences do not meet. Queries and keys of one sequence are
/// neighbouring rows. Inputs are column blocks of wider rows, so q, k, v may be parts of one
/// projection.
struct AttentionArguments {
  AttentionShape shape;
  ConstTensorView q;          ///< [B * Q, row_q]
  std::int64_t q_column = 0;  ///< heads * D columns from here
  ConstTensorView k;          ///< [B * key_stride, row_k]
  std::int64_t k_column = 0;  ///< kv_heads * D columns from here
  ConstTensorView v;          ///< [B * key_stride, row_v]
  std::int64_t v_column = 0;
  std::int64_t key_stride = 0;  ///< rows from one sequence's keys to the next's, >= K
  TensorView o;                 ///< [B * Q, heads * D]
  TensorView
      log_sum;  ///< [B * Q, heads]: log of the softmax's sum, for backward; f64 for f64, else f32
};

/// Never holds more than a tile of scores per worker.
/// @param scratch  tiles of the workers; released before return.
/// @throws InvalidArgument naming the shapes if they do not fit.
using AttentionOp = void(const AttentionArguments& arguments, Arena& scratch, Stream& stream);
AttentionOp attention;
namespace reference {
AttentionOp attention;
}
namespace cpu {
AttentionOp attention;
}

struct AttentionBackwardArguments {
  AttentionArguments forward;  ///< as in the forward call, `o` and `log_sum` filled
  ConstTensorView d_o;         ///< [B * Q, heads * D]
  TensorView d_q;              ///< like q, same column; overwritten
  TensorView d_k;              ///< like k, same column; overwritten
  TensorView d_v;              ///< like v, same column; overwritten
};

/// Recomputes the probabilities tile by tile from `log_sum` (Dao et al., arXiv 2205.14135, alg. 4).
/// @throws InvalidArgument naming the shapes if they do not fit, or if K != Q.
using AttentionBackwardOp = void(const AttentionBackwardArguments& arguments, Arena& scratch,
                                 Stream& stream);
AttentionBackwardOp attention_backward;
namespace reference {
AttentionBackwardOp attention_backward;
}
namespace cpu {
AttentionBackwardOp attention_backward;
}

}  // namespace softmoe::ops
