#include "launcher/run/measured_peak.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "parallel/reduce.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/gemm.h"

namespace softmoe::launcher {

double measure_peak_flops(parallel::Communicator& world, Workspace& work) {
  constexpr int kRepeats = 32;
  const ArenaScope scope(work.scratch);
  const std::array<TensorView, 3> matrices = push_peak_matrices(work.scratch);
  for (const TensorView& matrix : matrices) ops::fill_zero(matrix, work.compute);
  double best_seconds = 1e30;
  world.barrier();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    ops::gemm({.a = matrices[0], .b = matrices[1], .c = matrices[2]}, work.compute);
    work.compute.synchronize();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    best_seconds = std::min(best_seconds, taken.count());
  }
  const double size = static_cast<double>(matrices[0].dim(0));
  std::array<double, 1> rate = {2.0 * size * size * size / best_seconds};
  parallel::all_reduce_sum_on_host(std::span<double>(rate), world, work.exchange);
  return rate[0];
}

}  // namespace softmoe::launcher
