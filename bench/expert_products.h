#pragma once

// The products of experts over unequal counts, beside dense ones of as many operations.
// Letters: M rows, H hidden, F inner width, E experts.

#include <cstdint>
#include <string>
#include <vector>

#include "experts/grouped_ffn.h"
#include "launcher/run/run_config.h"
#include "runtime/device/buffer.h"

namespace softmoe::bench {

/// Rows of each expert, [E], of a rank that holds all of them.
/// @param name  W0 to W7, or zipf: expert e gets a part in proportion to 1 / (e + 1)
/// @throws ConfigError naming what there is
[[nodiscard]] std::vector<std::int64_t> expert_rows(const std::string& name,
                                                    const launcher::RunConfig& config);

/// Forward and backward of an expert FFN in three forms: its six products as dense ones, one on
/// each thread, over equal parts of the M rows; the same products grouped by expert; and
/// grouped_ffn, which does SwiGLU besides, and once more in backward.
class ExpertProducts {
 public:
  /// @param row_E  rows of each expert
  /// @param work   outlives this object
  ExpertProducts(const model::ModelConfig& model, const std::vector<std::int64_t>& row_E,
                 Workspace& work);

  void run_dense() { run_products(dense_begin_G1_); }
  void run_grouped() { run_products(row_begin_E1_); }
  void run_ffn();

  /// Of the products, in every form.
  [[nodiscard]] double flops() const;

 private:
  [[nodiscard]] TensorView numbers(Shape shape, double size);
  /// The products of the first experts over these rows.
  void run_products(const std::vector<std::int64_t>& row_begin);

  Workspace& work_;
  std::vector<DeviceBuffer> buffers_;
  std::vector<std::int64_t> row_begin_E1_;
  std::vector<std::int64_t> dense_begin_G1_;  ///< as many groups as threads, but no more than E
  experts::GroupedFfnWeights weights_;
  TensorView x_MH_;
  TensorView gate_M_;
  TensorView h_M2F_;
  TensorView a_MF_;
  TensorView y_MH_;
  TensorView d_y_MH_;
  TensorView d_a_MF_;
  TensorView d_h_M2F_;
  TensorView d_x_MH_;
  TensorView d_gate_M_;
};

}  // namespace softmoe::bench
