#pragma once

// What governs and what is measured about routing, for all MoE layers of one step.
// Letters: L MoE layers, E experts.

#include <cstdint>
#include <span>
#include <vector>

#include "model/model_config.h"
#include "router/route_summary.h"
#include "router/router.h"
#include "runtime/device/buffer.h"
#include "runtime/device/host_copy.h"
#include "runtime/device/parameter.h"
#include "runtime/device/workspace.h"

namespace softmoe::model {

/// Temperature and shift in force, from the step's control word.
struct RoutingControl {
  double alpha = 1.0;
  double lambda = 0.0;  ///< of all layers; not read while the state holds cuts of its own
};

/// Settings, statistics and soft-mass gradients of the MoE layers. Layers are counted among MoE
/// layers.
class RoutingState {
 public:
  /// @param total_mass K, the soft mass summed over layers
  RoutingState(const ModelConfig& config, double total_mass, Device& device, Stream& stream);

  /// Sets every layer's k from eta and zeroes statistics and gradients. Waits for eta.
  void begin_step(const RoutingControl& control, ConstTensorView eta_L, Stream& stream);
  /// The balance coefficients of the next step, from the global counts of this one.
  /// @param counts_L  per layer, as RouteStatistics::counts, summed over ranks
  void set_balance(std::span<const std::int64_t> counts_L, Stream& stream);

  /// The surface of each layer while quotas hold the budget: its mean cut, in units of alpha, in
  /// place of what lambda says. Evaluation and generation, which have no quota, run what is above
  /// it; in training it is where margins and densities are measured. Empty: lambda stands.
  [[nodiscard]] std::span<const double> cuts() const { return cuts_; }
  /// Takes over those of a saved model. @param cuts_L [L], or empty
  /// @throws InvalidArgument naming the sizes if there is another number of layers.
  void set_cuts(std::span<const double> cuts_L);
  /// Lets the cuts follow those of a step that ran under quotas: an exponential mean over about ten
  /// steps, which begins with the first of them.
  /// @param cuts_L  mean over the step's micro-batches, equal on all ranks; a step with a number
  ///                that is not finite is passed over
  void follow_cuts(std::span<const double> cuts_L);
  /// Quotas no longer hold the budget.
  void forget_cuts() { cuts_.clear(); }

  /// Gives eta its gradient from the gradients of the layers' k, all of this rank, and zeroes
  /// those. Once per step; where gradients are exact sums it is a contribution, once per lane.
  /// Waits.
  void fold_layer_means_gradient(const Parameter& eta, Workspace& work);

  /// Names for the numbers of one layer.
  /// @param counts_L, sums_L  as counts() and sums(), summed over ranks
  /// @param memory            as in router::summarise()
  [[nodiscard]] router::RouteSummary summarise(int moe_layer,
                                               std::span<const std::int64_t> counts_L,
                                               std::span<const double> sums_L,
                                               router::RouteSummary memory) const;

  /// Without a quota.
  [[nodiscard]] router::LayerSetting setting(int moe_layer) const;
  [[nodiscard]] router::RouteStatistics statistics(int moe_layer) const;
  [[nodiscard]] TensorView d_k(int moe_layer) const;
  [[nodiscard]] std::span<const double> means() const { return means_; }  ///< k_l
  [[nodiscard]] double total_mass() const { return total_mass_; }
  void set_total_mass(double total_mass) { total_mass_ = total_mass; }

  /// All layers' counts behind one another, [L * counts_per_layer()], and sums, [L *
  /// kNumRouteSums].
  [[nodiscard]] View<std::int64_t> counts() const { return counts_.as<std::int64_t>(); }
  [[nodiscard]] View<double> sums() const { return sums_.as<double>(); }
  [[nodiscard]] int counts_per_layer() const { return counts_per_layer_; }

 private:
  /// The numbers of eta, in host_eta_.
  std::span<const double> read_eta(ConstTensorView eta_L, Stream& stream);

  const ModelConfig* config_;
  double total_mass_;
  int num_layers_;
  int counts_per_layer_;
  RoutingControl control_;
  std::vector<double> means_;
  std::vector<double> cuts_;
  DeviceBuffer counts_;
  DeviceBuffer sums_;
  DeviceBuffer d_k_;
  DeviceBuffer balance_LE_;
  std::vector<float> host_balance_LE_;
  std::vector<double> host_eta_;
  std::vector<double> host_d_eta_;
  std::vector<float> host_d_eta_f32_;
  HostBuffer<double> landed_f64_;
  HostBuffer<float> landed_f32_;
};

}  // namespace softmoe::model
