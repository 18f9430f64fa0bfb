#pragma once

#include "runtime/device/view.h"

namespace softmoe {

/// A trained tensor and where its gradient is collected; views into flat buffers.
struct Parameter {
  TensorView value;
  TensorView gradient;
};

/// The one way into a gradient. `produce(target, beta)` has to do target = beta * target +
/// gradient; how contributions are collected (in place, or through an exact accumulator) is decided
/// here.
template <class Produce>
void accumulate(const Parameter& parameter, Produce&& produce) {
  produce(parameter.gradient, 1.0);
}

}  // namespace softmoe
