#include "runtime/ops/adamw.h"

#include <cmath>

namespace softmoe::ops::reference {

namespace {

template <class T>
void update(const AdamwArguments& arguments) {
  const auto parameter = arguments.parameter.as<T>();
  const auto gradient = arguments.gradient.as<T>();
  const auto first_moment = arguments.first_moment.as<ComputeOf<T>>();
  const auto second_moment = arguments.second_moment.as<ComputeOf<T>>();
  const auto updates = static_cast<double>(arguments.update);
  const double correction1 = 1 - std::pow(arguments.beta1, updates);
  const double correction2 = 1 - std::pow(arguments.beta2, updates);
  for (std::int64_t i = 0; i < parameter.size(); ++i) {
    const double g = arguments.gradient_scale * double{gradient[i]};
    const double m = arguments.beta1 * double{first_moment[i]} + (1 - arguments.beta1) * g;
    const double v = arguments.beta2 * double{second_moment[i]} + (1 - arguments.beta2) * g * g;
    const double direction = (m / correction1) / (std::sqrt(v / correction2) + arguments.epsilon);
    const double before{parameter[i]};
    parameter[i] = static_cast<T>(before - arguments.learning_rate *
                                               (direction + arguments.weight_decay * before));
    first_moment[i] = static_cast<ComputeOf<T>>(m);
    second_moment[i] = static_cast<ComputeOf<T>>(v);
  }
}

}  // namespace

void adamw(const AdamwArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    visit_float(arguments.parameter.dtype(), [&]<class T>() { update<T>(arguments); });
  });
}

}  // namespace softmoe::ops::reference
