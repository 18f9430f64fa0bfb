#pragma once

// SwiGLU on the thread that calls, for rows that it has just written.

#include "runtime/ops/swiglu.h"

namespace softmoe::ops::cpu {

void swiglu_rows(ConstTensorView h_M2F, ConstTensorView gate_M, TensorView a_MF);

void swiglu_backward_rows(const SwigluBackwardArguments& arguments);

}  // namespace softmoe::ops::cpu
