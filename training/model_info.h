#pragma once

// What a model file says beside its tensors. Letters: L MoE layers.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "budget/control_word.h"
#include "budget/controller.h"
#include "model/transformer.h"

namespace softmoe::training {

/// Everything that decides which experts run, besides the tensors: with the same tensors and this,
/// every token runs the same experts.
struct SavedRouting {
  double alpha = 1.0;      ///< temperature in force
  double lambda = 0.0;     ///< shift of the truncation surface in force
  double threshold = 0.2;  ///< tau0
  double cap_factor = 4.0;
  double total_mass = 0.0;          ///< K
  double budget = 0.0;              ///< B that the controller held
  std::vector<double> soft_mass_L;  ///< k_l; follows from K and eta, for who reads the file alone
  std::uint64_t seed = 0;           ///< of the run: hash routing reads it
  /// Mean cuts of a run under quotas, which stand in place of lambda (RoutingState::cuts); empty
  /// where lambda holds, and in files that were written before there were quotas.
  std::vector<double> cut_L = {};
  budget::ControllerState controller;  ///< with which a run would go on

  /// What evaluation and generation run under; load_model() hands the cuts to the model itself.
  [[nodiscard]] model::RoutingControl control() const { return {.alpha = alpha, .lambda = lambda}; }

  friend bool operator==(const SavedRouting&, const SavedRouting&) = default;
};

/// The routing of a model in training.
/// @param word   in force in the last step, or decided for the next
/// @param state  the controller's; of rank 0, which is the one that writes it
[[nodiscard]] SavedRouting routing_of(model::Transformer& model, const budget::ControlWord& word,
                                      const budget::ControllerState& state, std::uint64_t seed);

/// What has to be known before the tensors can be read.
struct ModelInfo {
  Step step = Step(0);      ///< steps that the model was trained
  std::string config_yaml;  ///< its configuration, to build the model from
  std::int64_t vocabulary = 0;
  std::string tokenizer_hash;  ///< of the tokenizer of its tokens; empty if nobody knows it
  SavedRouting routing;

  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

/// Checksums (CRC32C) of a file's tensors, by name.
using TensorChecksums = std::map<std::string, std::uint32_t, std::less<>>;

/// Texts of a safetensors header.
using Metadata = std::map<std::string, std::string>;

/// The metadata of a model file: format version, step, config, vocabulary, tokenizer_hash, routing
/// and checksums (JSON), and a checksum of all of them. Numbers are written so that they come back
/// bit for bit.
/// @throws InvalidArgument naming a number that is not finite: JSON has none of those.
[[nodiscard]] Metadata to_metadata(const ModelInfo& info, const TensorChecksums& checksums);

/// The contrary.
struct ParsedMetadata {
  ModelInfo info;
  TensorChecksums checksums;
};
/// @param file  begins every message.
/// @throws StorageError bad_format naming the entry and the cure if it is not a model file of this
///         program, of a later format version, damaged, or incomplete.
[[nodiscard]] ParsedMetadata parse_metadata(const Metadata& metadata, std::string_view file);

}  // namespace softmoe::training
