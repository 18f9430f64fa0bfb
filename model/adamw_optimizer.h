#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/parameter_store.h"
#include "parallel/flat_shards.h"

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::model {

struct OptimizerConfig {
  double learning_rate = 3e-3;  ///< peak, of matrices and vectors
  double final_ratio = 0.1;     ///< learning rate at the end, of the peak
  std::int64_t warmup_steps = 20;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;         ///< of matrices and router projections
  double clip_norm = 1.0;            ///< of the whole gradient; 0: never clip
  double router_ratio = 1.0;         ///< router's learning rate, of the others'
  double layer_means_rate = 1e-2;    ///< peak learning rate of eta
  double layer_means_freeze = 0.02;  ///< eta stays for this part of the run

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

/// Learning rate of each group in one step, by ParameterGroup.
struct GroupRates {
  double matrix = 0;
  double vector = 0;
  double router = 0;
  double layer_means = 0;  ///< 0 leaves eta and its moments alone

  [[nodiscard]] double of(ParameterGroup group) const;
};

/// AdamW keeps so many moments of every parameter that a rank owns,
inline constexpr int kMoments = 2;
/// and one of them, of so many owned elements, takes this.
[[nodiscard]] Bytes moment_bytes(std::int64_t owned, DType parameters);

/// AdamW over the ranges that this rank owns; moments exist for those only (ZeRO-1).
class AdamwOptimizer {
 public:
  /// @param owned ranges of the dense and of the expert space, by Space
  AdamwOptimizer(const OptimizerConfig& config, const ParameterStore& parameters,
                 std::array<parallel::FlatShards::Range, 2> owned, Device& device, Stream& stream);

  /// sum := the sum of squares of the owned gradients, which hold sums over ranks. @param sum f64
  /// [1]
  void sum_squares(View<double> sum, Arena& scratch, Stream& stream) const;
  /// The same into an exact sum (ops/exact_sum.h), which is added to.
  void add_squares(View<std::int64_t> sum_5, Arena& scratch, Stream& stream) const;
  /// One update of what is owned. @param gradient_scale 1 / global tokens, times the clipping
  /// factor
  void update(const GroupRates& rates, double gradient_scale, Arena& scratch, Stream& stream);

  /// Elements of an exact gradient that are turned into numbers at a time, in scratch.
  static constexpr std::int64_t kSlice = std::int64_t{1} << 18;

  /// Updates done so far; the next one is number updates() + 1.
  [[nodiscard]] std::int64_t updates() const { return updates_; }

 private:
  /// A piece of a parameter that lies in an owned range.
  struct Piece {
    Space space;
    ParameterGroup group;
    std::int64_t begin;  ///< in the flat space
    std::int64_t end;
  };

  [[nodiscard]] TensorView moment(const DeviceBuffer& buffer, const Piece& piece) const;
  /// Calls body(part of the piece, its gradient) until the piece is through.
  template <class Body>
  void for_gradients(const Piece& piece, Arena& scratch, Stream& stream, const Body& body) const;

  OptimizerConfig config_;
  const ParameterStore* parameters_;
  std::array<parallel::FlatShards::Range, 2> owned_;
  std::vector<Piece> pieces_;
  std::array<DeviceBuffer, 2> first_moments_;
  std::array<DeviceBuffer, 2> second_moments_;
  std::int64_t updates_ = 0;
  std::int64_t layer_means_updates_ = 0;
};

}  // namespace softmoe::model
