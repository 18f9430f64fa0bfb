#include "runtime/ops/rms_norm.h"

#include <cmath>

namespace softmoe::ops::reference {

namespace {

struct ForwardArguments {
  ConstTensorView x_TH;
  ConstTensorView gain_H;
  double epsilon;
  TensorView y_TH;
  TensorView scale_T;
};

template <class T>
void forward(const ForwardArguments& arguments) {
  const std::int64_t hidden = arguments.x_TH.dim(1);
  const auto gain = arguments.gain_H.as<T>();
  for (std::int64_t row = 0; row < arguments.x_TH.dim(0); ++row) {
    const auto x = arguments.x_TH.as<T>().part(row * hidden, (row + 1) * hidden);
    const auto y = arguments.y_TH.as<T>().part(row * hidden, (row + 1) * hidden);
    double squares = 0;
    for (const T value : x.span()) squares += double{value} * double{value};
    const double scale = 1 / std::sqrt(squares / static_cast<double>(hidden) + arguments.epsilon);
    for (std::int64_t h = 0; h < hidden; ++h) {
      y[h] = static_cast<T>(double{x[h]} * scale * double{gain[h]});
    }
    arguments.scale_T.as<ComputeOf<T>>()[row] = static_cast<ComputeOf<T>>(scale);
  }
}

/// With g = gain * d_y: d_x += r g - x r^3 mean(x g), since dr/dx = -r^3 x / H.
template <class T>
void add_input_gradient(const RmsNormBackwardArguments& arguments) {
  const std::int64_t hidden = arguments.x_TH.dim(1);
  const auto gain = arguments.gain_H.as<T>();
  for (std::int64_t row = 0; row < arguments.x_TH.dim(0); ++row) {
    const auto x = arguments.x_TH.as<T>().part(row * hidden, (row + 1) * hidden);
    const auto d_y = arguments.d_y_TH.as<T>().part(row * hidden, (row + 1) * hidden);
    const auto d_x = arguments.d_x_TH.as<T>().part(row * hidden, (row + 1) * hidden);
    const double scale{arguments.scale_T.as<ComputeOf<T>>()[row]};
    double dot = 0;
    for (std::int64_t h = 0; h < hidden; ++h) {
      dot += double{x[h]} * double{gain[h]} * double{d_y[h]};
    }
    const double along_x = scale * scale * scale * dot / static_cast<double>(hidden);
    for (std::int64_t h = 0; h < hidden; ++h) {
      const double through_scale = scale * double{gain[h]} * double{d_y[h]};
      d_x[h] = static_cast<T>(double{d_x[h]} + through_scale - along_x * double{x[h]});
    }
  }
}

template <class T>
void sum_gain_gradient(const RmsNormBackwardArguments& arguments) {
  const std::int64_t hidden = arguments.x_TH.dim(1);
  const auto x = arguments.x_TH.as<T>();
  const auto d_y = arguments.d_y_TH.as<T>();
  const auto scale = arguments.scale_T.as<ComputeOf<T>>();
  const auto d_gain = arguments.d_gain_H.as<T>();
  for (std::int64_t h = 0; h < hidden; ++h) {
    double sum = 0;
    for (std::int64_t row = 0; row < scale.size(); ++row) {
      sum += double{d_y[row * hidden + h]} * double{x[row * hidden + h]} * double{scale[row]};
    }
    const double before = arguments.beta == 0 ? 0 : arguments.beta * double{d_gain[h]};
    d_gain[h] = static_cast<T>(before + sum);
  }
}

}  // namespace

void rms_norm(ConstTensorView x_TH, ConstTensorView gain_H, double epsilon, TensorView y_TH,
              TensorView scale_T, Stream& stream) {
  stream.run([arguments = ForwardArguments{x_TH, gain_H, epsilon, y_TH, scale_T}] {
    visit_float(arguments.x_TH.dtype(), [&]<class T>() { forward<T>(arguments); });
  });
}

void rms_norm_backward(const RmsNormBackwardArguments& arguments, Stream& stream) {
  stream.run([arguments] {
    visit_float(arguments.x_TH.dtype(), [&]<class T>() {
      sum_gain_gradient<T>(arguments);
      add_input_gradient<T>(arguments);
    });
  });
}

}  // namespace softmoe::ops::reference
