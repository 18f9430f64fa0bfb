#pragma once

// Letters: T tokens, H hidden.

#include "runtime/device/parameter.h"
#include "runtime/device/workspace.h"

namespace softmoe::model {

/// What a norm leaves on the arena of saved activations.
struct NormOutput {
  TensorView y_TH;
  TensorView scale_T;
};

/// Room for it. @param saved an Arena or an ArenaMeasure
template <class Memory>
[[nodiscard]] NormOutput push_norm(DType dtype, Shape shape_TH, Memory& saved) {
  return {.y_TH = saved.push(dtype, shape_TH),
          .scale_T = saved.push(compute_type_of(dtype), {shape_TH[0]})};
}

/// RMSNorm with a learned gain; keeps what its backward needs.
class Norm {
 public:
  Norm(Parameter gain_H, double epsilon) : gain_H_(gain_H), epsilon_(epsilon) {}

  /// The normalised rows, on work.saved. `x_TH` must stay until backward.
  [[nodiscard]] TensorView forward(ConstTensorView x_TH, Workspace& work);
  /// d_x_TH += the gradient of x.
  void backward(ConstTensorView d_y_TH, TensorView d_x_TH, Workspace& work);

 private:
  Parameter gain_H_;
  double epsilon_;
  ConstTensorView x_TH_;
  TensorView scale_T_;
};

}  // namespace softmoe::model
