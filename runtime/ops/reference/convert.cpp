#include "runtime/ops/convert.h"

namespace softmoe::ops::reference {

void convert(ConstTensorView source, TensorView target, Stream& stream) {
  stream.run([source, target] {
    visit_float(source.dtype(), [&]<class From>() {
      visit_float(target.dtype(), [&]<class To>() {
        const auto from = source.as<From>();
        const auto to = target.as<To>();
        // bf16 reaches f64 by way of f32, which holds it exactly.
        for (std::int64_t i = 0; i < from.size(); ++i)
          to[i] = static_cast<To>(static_cast<ComputeOf<From>>(from[i]));
      });
    });
  });
}

}  // namespace softmoe::ops::reference
