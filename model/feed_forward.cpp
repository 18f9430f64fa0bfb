#include "model/feed_forward.h"

#include "model/linear.h"
#include "runtime/ops/swiglu.h"

namespace softmoe::model {

void FeedForward::forward(ConstTensorView x_TH, TensorView y_TH, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::feed_forward, layer_);
  project(x_TH, work);
  const ArenaScope scope(work.scratch);
  linear(weights_.down, activate(work), y_TH, /*beta=*/1.0, work.compute);
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

void FeedForward::backward(ConstTensorView d_y_TH, TensorView d_x_TH, double beta,
                           Workspace& work) {
  const PhaseScope phase(work.progress, Phase::feed_forward, layer_);
  const ArenaScope scope(work.scratch);
  const TensorView a_TF = activate(work);
  linear_weight_gradient(weights_.down, d_y_TH, a_TF, work);
  // The activation's gradient takes the activation's place, and h's gradient that of h.
  const TensorView d_a_TF = a_TF;
  linear_input_gradient(weights_.down, d_y_TH, d_a_TF, work.compute);
  const TensorView d_h_T2F = h_T2F_;
  ops::swiglu_backward(
      {.d_a_MF = d_a_TF, .h_M2F = h_T2F_, .gate_M = {}, .d_h_M2F = d_h_T2F, .d_gate_M = {}},
      work.compute);
  linear_backward(weights_.gate_up,
                  {.d_y_TO = d_h_T2F, .x_TI = x_TH_, .d_x_TI = d_x_TH, .beta = beta}, work);
}

TensorView FeedForward::activate(Workspace& work) const {
  const TensorView a_TF = work.scratch.push(h_T2F_.dtype(), {h_T2F_.dim(0), h_T2F_.dim(1) / 2});
  ops::swiglu(h_T2F_, /*gate_M=*/{}, a_TF, work.compute);
  return a_TF;
}

}  // namespace softmoe::model
