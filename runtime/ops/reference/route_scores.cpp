#include "runtime/ops/route_scores.h"

#include <cmath>

#include "runtime/ops/route_noise_row.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

namespace {

template <class T>
void normalise_rows(const RouteNormaliseArguments& arguments) {
  const std::int64_t columns = arguments.x_RC.dim(1);
  const T gain = arguments.gain.as<T>()[0];
  for (std::int64_t row = 0; row < arguments.x_RC.dim(0); ++row) {
    const T* x = arguments.x_RC.as<T>().data() + row * columns;
    T* n = arguments.n_RC.as<T>().data() + row * columns;
    T* y = arguments.y_RC.as<T>().data() + row * columns;
    T mean = 0;
    for (std::int64_t i = 0; i < columns; ++i) mean += x[i] / static_cast<T>(columns);
    T square = 0;
    for (std::int64_t i = 0; i < columns; ++i) square += (x[i] - mean) * (x[i] - mean);
    const T scale =
        1 / std::sqrt(square / static_cast<T>(columns) + static_cast<T>(arguments.epsilon));
    for (std::int64_t i = 0; i < columns; ++i) {
      n[i] = (x[i] - mean) * scale;
      y[i] = gain * n[i];
    }
    arguments.scale_R.as<T>()[row] = scale;
  }
}

template <class T>
void normalise_rows_backward(const RouteNormaliseBackwardArguments& arguments) {
  const std::int64_t columns = arguments.n_RC.dim(1);
  const T gain = arguments.gain.as<T>()[0];
  double d_gain = 0;
  for (std::int64_t row = 0; row < arguments.n_RC.dim(0); ++row) {
    const T* d_y = arguments.d_y_RC.as<T>().data() + row * columns;
    const T* n = arguments.n_RC.as<T>().data() + row * columns;
    T* d_x = arguments.d_x_RC.as<T>().data() + row * columns;
    T sum = 0;
    T sum_n = 0;
    for (std::int64_t i = 0; i < columns; ++i) {
      sum += d_y[i];
      sum_n += d_y[i] * n[i];
    }
    const T factor = gain * arguments.scale_R.as<T>()[row];
    for (std::int64_t i = 0; i < columns; ++i) {
      d_x[i] = factor * (d_y[i] - (sum + n[i] * sum_n) / static_cast<T>(columns));
    }
    d_gain += sum_n;
  }
  arguments.d_gain.as<T>()[0] += static_cast<T>(d_gain);
}

}  // namespace

void route_normalise(const RouteNormaliseArguments& arguments, Arena& /*scratch*/, Stream& stream) {
  visit_score(arguments.x_RC.dtype(),
              [&]<class T>() { stream.run([arguments] { normalise_rows<T>(arguments); }); });
}

void route_normalise_backward(const RouteNormaliseBackwardArguments& arguments, Arena& /*scratch*/,
                              Stream& stream) {
  visit_score(arguments.n_RC.dtype(), [&]<class T>() {
    stream.run([arguments] { normalise_rows_backward<T>(arguments); });
  });
}

void route_noise(const RouteNoiseArguments& arguments, Stream& stream) {
  visit_score(arguments.x_RC.dtype(), [&]<class T>() {
    stream.run([arguments] {
      const std::int64_t columns = arguments.x_RC.dim(1);
      for (std::int64_t row = 0; row < arguments.x_RC.dim(0); ++row) {
        add_noise_to_row(arguments, row, arguments.x_RC.as<T>().data() + row * columns, columns);
      }
    });
  });
}

}  // namespace softmoe::ops::reference
