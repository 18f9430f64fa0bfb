#include "model/linear.h"

#include "runtime/ops/accumulate.h"
#include "runtime/ops/gemm.h"

namespace softmoe::model {

void linear(const Parameter& weight_OI, ConstTensorView x_TI, TensorView y_TO, double beta,
            Stream& stream) {
  ops::gemm({.a = x_TI,
             .b = weight_OI.value,
             .c = y_TO,
             .transpose_b = ops::Transpose::yes,
             .beta = beta},
            stream);
}

void linear_backward(const Parameter& weight_OI, const LinearBackwardArguments& arguments,
                     Workspace& work) {
  const auto& [d_y_TO, x_TI, d_x_TI, beta] = arguments;
  ops::accumulate(weight_OI, work, [&](TensorView d_weight, double weight_beta) {
    ops::gemm_pair({.a = d_y_TO,
                    .b = x_TI,
                    .c = d_weight,
                    .transpose_a = ops::Transpose::yes,
                    .beta = weight_beta},
                   {.a = d_y_TO, .b = weight_OI.value, .c = d_x_TI, .beta = beta}, work.compute);
  });
}

void linear_weight_gradient(const Parameter& weight_OI, ConstTensorView d_y_TO,
                            ConstTensorView x_TI, Workspace& work) {
  ops::accumulate(weight_OI, work, [&](TensorView d_weight, double beta) {
    ops::gemm(
        {.a = d_y_TO, .b = x_TI, .c = d_weight, .transpose_a = ops::Transpose::yes, .beta = beta},
        work.compute);
  });
}

void linear_input_gradient(const Parameter& weight_OI, ConstTensorView d_y_TO, TensorView d_x_TI,
                           Stream& stream) {
  ops::gemm({.a = d_y_TO, .b = weight_OI.value, .c = d_x_TI}, stream);
}

}  // namespace softmoe::model
