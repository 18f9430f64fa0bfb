#pragma once

// Letters: T tokens, H hidden, F inner width.

#include "runtime/device/parameter.h"
#include "runtime/device/workspace.h"

namespace softmoe::model {

struct FeedForwardWeights {
  Parameter gate_up;  ///< [2 F, H]
  Parameter down;     ///< [H, F]
};

/// The plain SwiGLU feed-forward of dense layers and of the shared expert.
class FeedForward {
 public:
  FeedForward(int layer, FeedForwardWeights weights) : layer_(layer), weights_(weights) {}

  /// y_TH += W_down (silu(h1) * h3), [h1 | h3] = x W_gate_up^T. `x_TH` must stay until backward.
  void forward(ConstTensorView x_TH, TensorView y_TH, Workspace& work);
  /// Of forward what backward reads: the inner activation, on work.saved.
  void recompute(ConstTensorView x_TH, Workspace& work);
  /// d_x_TH = the gradient of x.
  void backward(ConstTensorView d_y_TH, TensorView d_x_TH, Workspace& work);

 private:
  void project(ConstTensorView x_TH, Workspace& work);
  [[nodiscard]] TensorView push_activation(Workspace& work) const;

  int layer_;
  FeedForwardWeights weights_;
  ConstTensorView x_TH_;
  TensorView h_T2F_;
};

}  // namespace softmoe::model
