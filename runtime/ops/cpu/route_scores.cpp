#include "runtime/ops/route_scores.h"

#include "runtime/ops/cpu/route_lanes.h"
#include "runtime/ops/cpu/worker_rooms.h"
#include "runtime/ops/route_noise_row.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::cpu {

namespace {

void normalise_block(const RouteNormaliseArguments& arguments, const RowBlock& block, Lanes* x_C) {
  const auto columns = static_cast<float>(block.columns);
  const float gain = arguments.gain.as<float>()[0];
  load_rows(arguments.x_RC.as<float>().data(), block, x_C);
  const Lanes mean = sum_columns(block.columns, [x_C](std::int64_t i) { return x_C[i]; }) / columns;
  // A second, small correction: a large common offset costs the first sum its last digits.
  const Lanes rest =
      sum_columns(block.columns, [x_C, mean](std::int64_t i) { return x_C[i] - mean; }) / columns;
  const Lanes square = sum_columns(block.columns, [x_C, mean, rest](std::int64_t i) {
    x_C[i] = (x_C[i] - mean) - rest;
    return x_C[i] * x_C[i];
  });
  const Lanes scale = 1.0F / lane_sqrt(square / columns + static_cast<float>(arguments.epsilon));
  for (std::int64_t i = 0; i < block.columns; ++i) x_C[i] *= scale;
  store_rows(x_C, block, arguments.n_RC.as<float>().data());
  for (std::int64_t i = 0; i < block.columns; ++i) x_C[i] *= gain;
  store_rows(x_C, block, arguments.y_RC.as<float>().data());
  store_per_row(scale, block, arguments.scale_R.as<float>().data(), 1);
}

double normalise_backward_block(const RouteNormaliseBackwardArguments& arguments,
                                const RowBlock& block, Lanes* d_y_C, Lanes* n_C) {
  const auto columns = static_cast<float>(block.columns);
  load_rows(arguments.d_y_RC.as<float>().data(), block, d_y_C);
  load_rows(arguments.n_RC.as<float>().data(), block, n_C);
  const Lanes sum = sum_columns(block.columns, [d_y_C](std::int64_t i) { return d_y_C[i]; });
  const Lanes sum_n =
      sum_columns(block.columns, [d_y_C, n_C](std::int64_t i) { return d_y_C[i] * n_C[i]; });
  const Lanes factor =
      load_per_row(arguments.scale_R.as<float>().data(), 1, block) * arguments.gain.as<float>()[0];
  const Lanes mean = sum / columns;
  const Lanes mean_n = sum_n / columns;
  for (std::int64_t i = 0; i < block.columns; ++i) {
    d_y_C[i] = factor * (d_y_C[i] - mean - n_C[i] * mean_n);
  }
  store_rows(d_y_C, block, arguments.d_x_RC.as<float>().data());
  double d_gain = 0;
  for (int lane = 0; lane < block.count; ++lane) d_gain += static_cast<double>(sum_n[lane]);
  return d_gain;
}

}  // namespace

void route_normalise(const RouteNormaliseArguments& arguments, Arena& scratch, Stream& stream) {
  if (arguments.x_RC.dtype() != DType::f32) {
    reference::route_normalise(arguments, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.x_RC.dim(0);
  const std::int64_t columns = arguments.x_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), columns);
  stream.run([arguments, rows, columns, rooms, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      normalise_block(arguments, block, rooms.of(worker));
    });
  });
}

void route_normalise_backward(const RouteNormaliseBackwardArguments& arguments, Arena& scratch,
                              Stream& stream) {
  if (arguments.n_RC.dtype() != DType::f32) {
    reference::route_normalise_backward(arguments, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = arguments.n_RC.dim(0);
  const std::int64_t columns = arguments.n_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), 2 * columns);
  const View<double> d_gain = scratch.push<double>(num_row_blocks(rows));
  stream.run([arguments, rows, columns, rooms, d_gain, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      Lanes* own = rooms.of(worker);
      d_gain[block.index()] = normalise_backward_block(arguments, block, own, own + columns);
    });
    double sum = 0;
    for (const double block : d_gain.span()) sum += block;
    arguments.d_gain.as<float>()[0] += static_cast<float>(sum);
  });
}

void route_noise(const RouteNoiseArguments& arguments, Stream& stream) {
  visit_score(arguments.x_RC.dtype(), [&]<class T>() {
    stream.run([arguments, &workers = stream.workers()] {
      const std::int64_t columns = arguments.x_RC.dim(1);
      workers.for_each_near(arguments.x_RC.dim(0), [&](std::int64_t row, int) {
        add_noise_to_row(arguments, row, arguments.x_RC.as<T>().data() + row * columns, columns);
      });
    });
  });
}

}  // namespace softmoe::ops::cpu
