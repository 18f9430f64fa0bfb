#pragma once

#include "runtime/base/progress.h"
#include "runtime/device/arena.h"
#include "runtime/device/stream.h"

namespace softmoe {

/// What a module works with during a step. All members outlive the step.
struct Workspace {
  Arena& saved;      ///< activations that backward needs; popped by backward, last in first out
  Arena& scratch;    ///< popped before a function returns
  Stream& compute;   ///< kernels
  Stream& exchange;  ///< rows on their way between ranks; joined to `compute` by events
  Stream& reduce;    ///< gradients and parameters on theirs, likewise
  Progress& progress;
};

}  // namespace softmoe
