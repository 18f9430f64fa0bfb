#pragma once

#include <cstdint>
#include <optional>

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::router {

enum class RouterKind : std::uint8_t {
  softmoe,  ///< truncated LapSum
  top_k,    ///< softmax, the k best
  hash,     ///< experts by a hash of the token id: a control without learning
};

enum class GateRule : std::uint8_t {
  truncated,     ///< T1x: p where p > tau, unchanged (the paper)
  relu,          ///< T2: p - tau where p > tau
  renormalised,  ///< T3: T1x divided by its sum
};

enum class ScoreNormalisation : std::uint8_t {
  off,    ///< raw scores (the paper)
  token,  ///< centred, divided by their RMS, times a learned gain per layer
};

enum class LayerMeans : std::uint8_t {
  uniform,  ///< k_l = K / L, not learned
  simplex,  ///< k_l = 1 + (K - L) softmax(eta)_l (the paper)
  box,      ///< k_l = k_min + (k_max - k_min) sigmoid(eta_l - shift), shift so that the sum is K
};

/// How tokens choose experts; the same for every layer.
struct RouterConfig {
  RouterKind kind = RouterKind::softmoe;
  ScoreNormalisation normalisation = ScoreNormalisation::token;
  double temperature = 1.0;  ///< LapSum scale alpha, score units
  double threshold = 0.2;    ///< tau0: experts with p above it run (before the budget's shift)
  double cap_factor = 4.0;   ///< at most ceil(k * cap_factor) experts per token
  int floor = 1;             ///< 0 or 1: every token runs at least so many
  GateRule gate = GateRule::truncated;
  LayerMeans layer_means = LayerMeans::simplex;
  std::optional<double> total_mass;  ///< K, summed over layers; unset: the budget
  double box_min = 1.0;              ///< k_min of the box
  double box_max = 4.0;              ///< k_max of the box
  int top_k = 2;                     ///< experts per token of the kinds top_k and hash
  bool renormalise_top_k = true;     ///< gates of the kind top_k sum to 1
  double noise_std = 0.0;        ///< std of Gaussian noise on the scores in training, score units
  std::int64_t noise_steps = 0;  ///< noise falls linearly to 0 over so many steps; 0: constant
  double balance = 0.01;         ///< coefficient c of the Switch loss
  double z_loss = 0.0;           ///< coefficient of logsumexp(r)^2; only with normalisation off

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::router
