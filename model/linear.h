#pragma once

// Letters: T tokens, I inputs, O outputs.

#include "runtime/device/parameter.h"
#include "runtime/device/workspace.h"

namespace softmoe::model {

/// y_TO = x_TI W_OI^T + beta * y_TO. @param weight_OI [O, I]
void linear(const Parameter& weight_OI, ConstTensorView x_TI, TensorView y_TO, double beta,
            Stream& stream);

struct LinearBackwardArguments {
  ConstTensorView d_y_TO;
  ConstTensorView x_TI;
  TensorView d_x_TI;
  double beta = 0.0;  ///< d_x_TI = d_y_TO W_OI + beta * d_x_TI
};

/// The input's gradient, and d_y^T x is added to the weight's.
void linear_backward(const Parameter& weight_OI, const LinearBackwardArguments& arguments,
                     Workspace& work);

/// Its halves, for where the input's gradient takes the input's place.
void linear_weight_gradient(const Parameter& weight_OI, ConstTensorView d_y_TO,
                            ConstTensorView x_TI, Workspace& work);
void linear_input_gradient(const Parameter& weight_OI, ConstTensorView d_y_TO, TensorView d_x_TI,
                           Stream& stream);

}  // namespace softmoe::model
