#include "runtime/ops/rms_norm.h"

#include <array>
#include <cmath>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

struct Forward {
  const float* x_TH;
  const float* gain_H;
  float* y_TH;
  float* scale_T;
  std::int64_t hidden;
  float epsilon;

  void run(std::int64_t row) const {
    const float* const x = x_TH + row * hidden;
    Vec squares{};
    for_vectors(hidden, [&](std::int64_t h, auto lanes) {
      const Vec value = load(x + h, lanes);
      squares += value * value;
    });
    const float mean = sum_lanes(squares) / static_cast<float>(hidden);
    const float scale = 1.0F / std::sqrt(mean + epsilon);
    scale_T[row] = scale;
    for_vectors(hidden, [&](std::int64_t h, auto lanes) {
      store(load(x + h, lanes) * scale * load(gain_H + h, lanes), y_TH + row * hidden + h, lanes);
    });
  }
};

struct Backward {
  const float* d_y_TH;
  const float* x_TH;
  const float* gain_H;
  const float* scale_T;
  float* d_x_TH;
  float* d_gain_H;
  std::int64_t rows;
  std::int64_t hidden;
  float beta;

  /// With g = gain * d_y: d_x += r g - x r^3 mean(x g).
  void add_input_gradient(std::int64_t row) const {
    const float* const x = x_TH + row * hidden;
    const float* const d_y = d_y_TH + row * hidden;
    float* const d_x = d_x_TH + row * hidden;
    const float scale = scale_T[row];
    Vec dot{};
    for_vectors(hidden, [&](std::int64_t h, auto lanes) {
      dot += load(x + h, lanes) * (load(gain_H + h, lanes) * load(d_y + h, lanes));
    });
    const float along_x = scale * scale * scale * (sum_lanes(dot) / static_cast<float>(hidden));
    for_vectors(hidden, [&](std::int64_t h, auto lanes) {
      const Vec through_scale = load(gain_H + h, lanes) * load(d_y + h, lanes) * scale;
      const Vec change = through_scale - load(x + h, lanes) * along_x;
      store(load(d_x + h, lanes) + change, d_x + h, lanes);
    });
  }

  /// Columns from `column` on, `kVectors` vectors side by side, over all rows in order.
  template <std::size_t kVectors, class Lanes>
  void sum_columns(std::int64_t column, Lanes lanes) const {
    std::array<Vec, kVectors> sums{};
    for (std::int64_t row = 0; row < rows; ++row) {
      const float* const x = x_TH + row * hidden + column;
      const float* const d_y = d_y_TH + row * hidden + column;
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[v] += load(d_y + v * kLanes, lanes) * (load(x + v * kLanes, lanes) * scale_T[row]);
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      float* const to = d_gain_H + column + v * kLanes;
      store(beta == 0.0F ? sums[v] : beta * load(to, lanes) + sums[v], to, lanes);
    }
  }

  void sum_gain_gradient(std::int64_t begin, std::int64_t end) const {
    constexpr std::size_t kWide = kOrderedColumns / kLanes;
    if (end - begin == kOrderedColumns) {
      sum_columns<kWide>(begin, Full{});
      return;
    }
    for_vectors(end - begin, [&](std::int64_t i, auto lanes) { sum_columns<1>(begin + i, lanes); });
  }
};

}  // namespace

void rms_norm(ConstTensorView x_TH, ConstTensorView gain_H, double epsilon, TensorView y_TH,
              TensorView scale_T, Stream& stream) {
  const Forward forward{.x_TH = x_TH.as<float>().data(),
                        .gain_H = gain_H.as<float>().data(),
                        .y_TH = y_TH.as<float>().data(),
                        .scale_T = scale_T.as<float>().data(),
                        .hidden = x_TH.dim(1),
                        .epsilon = static_cast<float>(epsilon)};
  stream.run([forward, rows = x_TH.dim(0), workers = &stream.workers()] {
    for_row_blocks(*workers, rows, forward.hidden, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) forward.run(row);
    });
  });
}

void rms_norm_backward(const RmsNormBackwardArguments& arguments, Stream& stream) {
  const Backward backward{.d_y_TH = arguments.d_y_TH.as<float>().data(),
                          .x_TH = arguments.x_TH.as<float>().data(),
                          .gain_H = arguments.gain_H.as<float>().data(),
                          .scale_T = arguments.scale_T.as<float>().data(),
                          .d_x_TH = arguments.d_x_TH.as<float>().data(),
                          .d_gain_H = arguments.d_gain_H.as<float>().data(),
                          .rows = arguments.x_TH.dim(0),
                          .hidden = arguments.x_TH.dim(1),
                          .beta = static_cast<float>(arguments.beta)};
  stream.run([backward, workers = &stream.workers()] {
    for_blocks(
        *workers, backward.hidden, kOrderedColumns,
        [&](std::int64_t begin, std::int64_t end) { backward.sum_gain_gradient(begin, end); });
    for_row_blocks(*workers, backward.rows, backward.hidden,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       backward.add_input_gradient(row);
                     }
                   });
  });
}

}  // namespace softmoe::ops::cpu
