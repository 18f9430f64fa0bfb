#pragma once

// Letters: T tokens, B sequences, H hidden, V vocabulary.

#include <algorithm>
#include <optional>

#include "model/batch.h"
#include "model/norm.h"

namespace softmoe::model {

/// Tokens whose logits exist at a time: enough rows for the products to run at full speed, few
/// enough for the logits to stay in cache.
inline constexpr std::int64_t kLossChunkTokens = 256;

/// What computing the loss of a batch works with.
struct LossRoom {
  TensorView loss_T;
  TensorView logits;  ///< of a chunk
};

/// Room for it. @param scratch an Arena or an ArenaMeasure
template <class Memory>
[[nodiscard]] LossRoom push_loss(DType dtype, std::int64_t tokens, std::int64_t vocabulary,
                                 Memory& scratch) {
  return {.loss_T = scratch.push(compute_type_of(dtype), {tokens}),
          .logits = scratch.push(dtype, {std::min(kLossChunkTokens, tokens), vocabulary})};
}

/// Final norm, output projection and cross-entropy, a chunk of tokens at a time: logits never exist
/// beyond a chunk.
class LossHead {
 public:
  /// @param table_VH output embedding
  LossHead(Norm norm, Parameter table_VH) : norm_(norm), table_VH_(table_VH) {}

  /// loss_sum += the sum of the tokens' losses in nats. @param loss_sum f64 [1]
  void add_loss(const Batch& batch, ConstTensorView x_TH, TensorView loss_sum, Workspace& work);
  /// The same, and d_x_TH := the gradient of that sum; the table's and the norm's gradients are
  /// added.
  void add_loss_and_gradient(const Batch& batch, ConstTensorView x_TH, TensorView d_x_TH,
                             TensorView loss_sum, Workspace& work);
  /// logits_BV := those of the last position of every sequence.
  void last_logits(const Batch& batch, ConstTensorView x_TH, TensorView logits_BV, Workspace& work);

 private:
  /// Where the gradients of a pass go.
  struct Gradients {
    TensorView d_normed_TH;  ///< overwritten
    TensorView d_table_VH;   ///< beta times what was there is kept
    double beta = 0;
  };

  void run_chunks(const Batch& batch, std::optional<Gradients> gradients, TensorView loss_sum,
                  Workspace& work);
  /// The two gradients of tokens [begin, end).
  void add_gradients(ConstTensorView d_logits, std::int64_t begin, std::int64_t end,
                     const Gradients& gradients, Workspace& work) const;

  Norm norm_;
  Parameter table_VH_;
  TensorView normed_TH_;
};

}  // namespace softmoe::model
