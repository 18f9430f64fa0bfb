#include "model/feed_forward.h"

#include "model/linear.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::model {

void FeedForward::forward(ConstTensorView x_TH, TensorView y_TH, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::feed_forward, layer_);
  project(x_TH, work);
  const ArenaScope scope(work.scratch);
  const TensorView a_TF = push_activation(work);
  ops::swiglu(h_T2F_, /*gate_M=*/{}, a_TF, work.compute);
  linear(weights_.down, a_TF, y_TH, /*beta=*/1.0, work.compute);
}

void FeedForward::recompute(ConstTensorView x_TH, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::feed_forward, layer_);
  project(x_TH, work);
}

void FeedForward::project(ConstTensorView x_TH, Workspace& work) {
  x_TH_ = x_TH;
  h_T2F_ = work.saved.push(x_TH.dtype(), {x_TH.dim(0), weights_.gate_up.value.dim(0)});
  linear(weights_.gate_up, x_TH, h_T2F_, /*beta=*/0.0, work.compute);
}

void FeedForward::backward(ConstTensorView d_y_TH, TensorView d_x_TH, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::feed_forward, layer_);
  const ArenaScope scope(work.scratch);
  const TensorView d_a_TF = push_activation(work);
  linear_input_gradient(weights_.down, d_y_TH, d_a_TF, work.compute);
  // h's gradient takes the place of h, and the activation that of its gradient.
  const TensorView d_h_T2F = h_T2F_;
  const TensorView a_TF = d_a_TF;
  ops::swiglu_backward({.d_a_MF = d_a_TF, .h_M2F = h_T2F_, .d_h_M2F = d_h_T2F, .a_MF = a_TF},
                       work.compute);
  linear_weight_gradient(weights_.down, d_y_TH, a_TF, work);
  linear_backward(weights_.gate_up, {.d_y_TO = d_h_T2F, .x_TI = x_TH_, .d_x_TI = d_x_TH}, work);
}

TensorView FeedForward::push_activation(Workspace& work) const {
  return work.scratch.push(h_T2F_.dtype(), {h_T2F_.dim(0), h_T2F_.dim(1) / 2});
}

}  // namespace softmoe::model
