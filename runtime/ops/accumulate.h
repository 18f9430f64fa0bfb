#pragma once

#include <algorithm>

#include "runtime/base/determinism.h"
#include "runtime/device/arena_measure.h"
#include "runtime/device/parameter.h"
#include "runtime/device/workspace.h"
#include "runtime/ops/fixed_point.h"

namespace softmoe::ops {

/// The one way into a gradient. `produce(target, beta)` has to do target = beta * target +
/// gradient, with whatever in `target` if beta is 0. Into an i64 gradient the whole of what it
/// produces goes as one number per element: a contribution whose bits depend on nothing but a lane
/// makes a sum that does not either.
template <class Produce>
void accumulate(const Parameter& parameter, Workspace& work, Produce&& produce) {
  if (parameter.gradient.dtype() != DType::i64) {
    const std::span<std::uint8_t> is_stale = parameter.is_stale;
    const bool is_first = !is_stale.empty() && is_stale.front() != 0;
    std::fill(is_stale.begin(), is_stale.end(), std::uint8_t{0});
    produce(parameter.gradient, is_first ? 0.0 : 1.0);
    return;
  }
  const ArenaScope scope(work.scratch);
  const TensorView contribution =
      work.scratch.push(parameter.value.dtype(), parameter.gradient.shape());
  produce(contribution, 0.0);
  add_fixed({.source = contribution,
             .target = parameter.gradient.as<std::int64_t>(),
             .format = parameter.format,
             .overflow = parameter.overflow},
            work.compute);
}

/// What accumulate() of a parameter of this shape takes for a while, on paper.
inline void measure_contribution(Determinism determinism, DType dtype, Shape shape,
                                 ArenaMeasure& scratch) {
  if (determinism == Determinism::repeatable) return;
  const MeasureScope scope(scratch);
  scratch.push(dtype, shape);
}

}  // namespace softmoe::ops
