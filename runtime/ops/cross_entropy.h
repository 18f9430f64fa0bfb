#pragma once

// Letters: T tokens, V vocabulary.

#include "runtime/device/stream.h"
#include "runtime/device/view.h"

namespace softmoe::ops {

/// loss_T = logsumexp(logits) - logits[target], and in place logits := d(sum of loss)/d(logits) =
/// softmax(logits) - onehot(target). A token whose target is negative costs nothing and has
/// gradient 0.
///
/// @param logits_TV  [T, V], a chunk of tokens; overwritten by its gradient
/// @param target_T   [T], each < V
/// @param loss_T     [T], f64 for f64, else f32; nats
using CrossEntropyOp = void(TensorView logits_TV, View<const std::int32_t> target_T,
                            TensorView loss_T, Stream& stream);
CrossEntropyOp cross_entropy;
namespace reference {
CrossEntropyOp cross_entropy;
}
namespace cpu {
CrossEntropyOp cross_entropy;
}

}  // namespace softmoe::ops
