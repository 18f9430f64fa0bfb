#include "runtime/ops/rotary.h"

#include <cmath>

namespace softmoe::ops::reference {

namespace {

template <class T>
void turn(const RotaryArguments& arguments) {
  const std::int64_t half = arguments.head_size / 2;
  const std::int64_t columns = arguments.x.dim(1);
  const double sign = arguments.direction == RotaryDirection::forward ? 1 : -1;
  const auto x = arguments.x.as<T>();
  for (std::int64_t token = 0; token < arguments.x.dim(0); ++token) {
    for (std::int64_t pair = 0; pair < half; ++pair) {
      const double frequency =
          std::pow(arguments.theta, -static_cast<double>(2 * pair) / arguments.head_size);
      const double angle = sign * arguments.position_T[token] * frequency;
      const double cosine = std::cos(angle);
      const double sine = std::sin(angle);
      for (std::int64_t head = 0; head < arguments.heads; ++head) {
        const std::int64_t first =
            token * columns + arguments.first_column + head * arguments.head_size + pair;
        const double a{x[first]};
        const double b{x[first + half]};
        x[first] = static_cast<T>(a * cosine - b * sine);
        x[first + half] = static_cast<T>(a * sine + b * cosine);
      }
    }
  }
}

}  // namespace

void rotary(const RotaryArguments& arguments, Stream& stream) {
  stream.run(
      [arguments] { visit_float(arguments.x.dtype(), [&]<class T>() { turn<T>(arguments); }); });
}

}  // namespace softmoe::ops::reference
