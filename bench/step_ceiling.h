#pragma once

// The work of a step that no trainer can leave out, on the trainer's own kernels. Letters: T tokens
// of a lane, H hidden, F inner width, M expert rows of a lane, V vocabulary, L MoE layers.

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "launcher/run/run_config.h"
#include "model/transformer_parameters.h"
#include "runtime/device/workspace.h"
#include "runtime/ops/attention.h"

namespace softmoe::bench {

/// What the seconds of a pass are split into.
enum class CeilingPart : std::uint8_t {
  linear,       ///< products of projections, plain FFNs and the output
  experts,      ///< products of experts, and their SwiGLU where it goes with them
  attention,    ///< scores, softmax, values
  elementwise,  ///< norms, rotary, SwiGLU, cross-entropy, residuals, embeddings
  optimizer,    ///< gradient norm and AdamW
};
inline constexpr int kNumCeilingParts = 5;
[[nodiscard]] std::string_view name_of(CeilingPart part);

struct CeilingPass {
  double seconds = 0;
  std::array<double, kNumCeilingParts> part_seconds = {};
  std::array<double, kNumCeilingParts> part_flops = {};  ///< 0 where there are no products

  [[nodiscard]] double flops() const;
};

/// One rank's share of a step: its lanes forward and backward, and the update of what it owns.
/// Experts run equally many rows that lie behind one another; nothing is routed, packed, combined
/// or sent, gradients begin with their first lane, and no activation is computed twice but where
/// experts are taken one by one. Numbers are of ordinary size, but mean nothing.
///
/// The processor only: it reads the clock where an operation returns.
class StepCeiling {
 public:
  /// @param config, work  outlive this object
  /// @param world         ranks of the run; all lanes are spread over them evenly
  StepCeiling(const launcher::RunConfig& config, int world, Workspace& work);

  /// One pass.
  /// @param rows_L  rows of the whole step in each MoE layer, over all ranks
  /// @throws InvalidArgument if there are other than L numbers
  CeilingPass run(std::span<const std::int64_t> rows_L);

  /// What passes multiply with, and update.
  [[nodiscard]] const model::ParameterStore& parameters() const { return parameters_; }

  /// Floating-point operations of a rank's share in a pass over so many rows.
  [[nodiscard]] std::array<double, kNumCeilingParts> flops(std::int64_t rows) const;

 private:
  /// What a block leaves for its backward pass.
  struct Saved {
    TensorView x_TH, attention_norm_TH, attention_scale_T, qkv, heads_out, log_sum;
    TensorView middle_TH, ffn_norm_TH, ffn_scale_T;
    TensorView dense_h, dense_a;  ///< of a plain or shared FFN, if there is one
    TensorView expert_h_M2F, expert_a_MF;
    std::vector<std::int64_t> row_begin_e1;
  };

  void reserve_rows(std::int64_t rows);
  [[nodiscard]] std::int64_t rows_of_lane(int lane, std::int64_t rows) const;
  void run_lane(int lane, std::span<const std::int64_t> rows_L);
  TensorView forward(int layer, Saved& saved, TensorView x_TH, std::int64_t rows);
  void attention_forward(const model::BlockIds& ids, Saved& saved);
  void dense_forward(const model::BlockIds& ids, Saved& saved, TensorView y_TH);
  void experts_forward(const model::BlockIds& ids, Saved& saved, std::int64_t rows);
  void loss(TensorView x_TH, TensorView d_x_TH);
  void backward(int layer, const Saved& saved, TensorView d_x_TH);
  void dense_backward(const model::BlockIds& ids, const Saved& saved, TensorView d_x_TH,
                      TensorView d_normed_TH);
  void experts_backward(const model::BlockIds& ids, const Saved& saved);
  void attention_backward(const model::BlockIds& ids, const Saved& saved, TensorView d_x_TH);
  void update();

  // Operations, each on the clock of its part.
  template <class Work>
  void on_clock(CeilingPart part, Work&& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    pass_.part_seconds[static_cast<std::size_t>(part)] += taken.count();
  }
  TensorView norm(model::ParameterId gain, ConstTensorView x_TH, TensorView& scale_T);
  void norm_backward(model::ParameterId gain, ConstTensorView d_y_TH, ConstTensorView x_TH,
                     TensorView scale_T, TensorView d_x_TH);
  void linear(model::ParameterId weight, ConstTensorView x, TensorView y, double beta);
  void linear_backward(model::ParameterId weight, ConstTensorView d_y, ConstTensorView x,
                       TensorView d_x, double beta);
  [[nodiscard]] ops::AttentionArguments attention_of(const Saved& saved) const;
  [[nodiscard]] TensorView filled(std::int64_t rows, std::int64_t columns, DeviceBuffer& buffer);

  const launcher::RunConfig& config_;
  const model::ModelConfig& model_;
  Workspace& work_;
  int world_;
  int lanes_;  ///< of this rank
  int experts_here_;
  std::int64_t tokens_;        ///< of a lane
  model::TransformerIds ids_;  // filled in while the parameters are made
  model::ParameterStore parameters_;
  model::AdamwOptimizer optimizer_;
  DeviceBuffer token_T_;
  DeviceBuffer position_T_;
  DeviceBuffer rows_buffer_;
  DeviceBuffer d_rows_buffer_;
  DeviceBuffer gate_buffer_;
  DeviceBuffer d_tokens_buffer_;
  std::int64_t row_room_ = 0;
  TensorView rows_MH_;    ///< what experts are given
  TensorView d_rows_MH_;  ///< gradient of what they give
  TensorView gate_M_;
  TensorView d_tokens_TH_;  ///< gradient of what the router's half of a block was given
  double first_beta_ = 0;   ///< 0 in the first lane, whose gradients overwrite; then 1
  CeilingPass pass_;
};

}  // namespace softmoe::bench
