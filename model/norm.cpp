#include "model/norm.h"

#include "runtime/ops/accumulate.h"
#include "runtime/ops/rms_norm.h"

namespace softmoe::model {

TensorView Norm::forward(ConstTensorView x_TH, Workspace& work) {
  x_TH_ = x_TH;
  const NormOutput output = push_norm(x_TH.dtype(), x_TH.shape(), work.saved);
  scale_T_ = output.scale_T;
  ops::rms_norm(x_TH, gain_H_.value, epsilon_, output.y_TH, scale_T_, work.compute);
  return output.y_TH;
}

void Norm::backward(ConstTensorView d_y_TH, TensorView d_x_TH, Workspace& work) {
  ops::accumulate(gain_H_, work, [&](TensorView d_gain, double beta) {
    ops::rms_norm_backward({.d_y_TH = d_y_TH,
                            .x_TH = x_TH_,
                            .gain_H = gain_H_.value,
                            .scale_T = scale_T_,
                            .d_x_TH = d_x_TH,
                            .d_gain_H = d_gain,
                            .beta = beta},
                           work.compute);
  });
}

}  // namespace softmoe::model
