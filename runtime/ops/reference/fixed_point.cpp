#include "runtime/ops/fixed_point.h"

#include <cmath>

namespace softmoe::ops::reference {

void add_fixed(const AddFixedArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    visit_float(arguments.source.dtype(), [&]<class T>() {
      const auto source = arguments.source.as<T>();
      for (std::int64_t i = 0; i < source.size(); ++i) {
        const double x = static_cast<double>(source[i]);
        if (!(std::abs(x) < arguments.format.limit)) {
          ++arguments.overflow[0];
          continue;
        }
        arguments.target[i] +=
            static_cast<std::int64_t>(std::nearbyint(x * arguments.format.scale()));
      }
    });
  });
}

void from_fixed(View<const std::int64_t> source, FixedPoint format, TensorView target,
                Stream& stream) {
  stream.run([source, format, target] {
    visit_float(target.dtype(), [&]<class T>() {
      const auto to = target.as<T>();
      for (std::int64_t i = 0; i < source.size(); ++i)
        to[i] = static_cast<T>(static_cast<double>(source[i]) * format.unit());
    });
  });
}

}  // namespace softmoe::ops::reference
