#include "training/model_info.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/storage/crc32c.h"
#include "runtime/storage/file_system.h"
#include "runtime/storage/safetensors.h"

namespace softmoe::training {

namespace {

using nlohmann::json;

constexpr std::int64_t kFormatVersion = 1;

// Entries of the metadata.
constexpr const char* kVersion = "softmoe_model_version";
constexpr const char* kStep = "step";
constexpr const char* kConfig = "config";
constexpr const char* kVocabulary = "vocabulary";
constexpr const char* kTokenizerHash = "tokenizer_hash";
constexpr const char* kRouting = "routing";
constexpr const char* kTensorChecksums = "tensor_crc32c";
constexpr const char* kMetadataChecksum = "metadata_crc32c";

[[noreturn]] void refuse(std::string_view file, const std::string& reason) {
  throw StorageError(StorageError::Kind::bad_format, fmt::format("'{}' {}", file, reason));
}

/// Of every entry but the checksum itself. Zero bytes keep apart where one text ends and the next
/// begins.
std::uint32_t checksum_of(const Metadata& metadata) {
  std::uint32_t crc = 0;
  for (const auto& [name, text] : metadata) {
    if (name == kMetadataChecksum) continue;
    for (const std::string& part : {name, text}) {
      crc = storage::crc32c(std::as_bytes(std::span(part.c_str(), part.size() + 1)), crc);
    }
  }
  return crc;
}

json finite(double number, std::string_view name) {
  if (!std::isfinite(number)) {
    throw InvalidArgument(
        fmt::format("cannot save a model whose routing state {} is {}", name, number));
  }
  return number;
}

json routing_to_json(const SavedRouting& routing) {
  const budget::ControllerState& controller = routing.controller;
  json soft_mass = json::array();
  for (const double k : routing.soft_mass_L) soft_mass.push_back(finite(k, "soft_mass"));
  json cuts = json::array();
  for (const double cut : routing.cut_L) cuts.push_back(finite(cut, "cuts"));
  return {{"alpha", finite(routing.alpha, "alpha")},
          {"lambda", finite(routing.lambda, "lambda")},
          {"threshold", finite(routing.threshold, "threshold")},
          {"cap_factor", finite(routing.cap_factor, "cap_factor")},
          {"total_mass", finite(routing.total_mass, "total_mass")},
          {"budget", finite(routing.budget, "budget")},
          {"soft_mass", std::move(soft_mass)},
          {"cuts", std::move(cuts)},
          {"seed", routing.seed},
          {"controller",
           {{"lambda", finite(controller.lambda, "controller.lambda")},
            {"alpha", finite(controller.alpha, "controller.alpha")},
            {"debt", finite(controller.debt, "controller.debt")},
            {"gain", finite(controller.gain, "controller.gain")},
            {"last_record", controller.last_record.value}}}};
}

SavedRouting routing_from_json(const json& object) {
  const json& controller = object.at("controller");
  return {.alpha = object.at("alpha").get<double>(),
          .lambda = object.at("lambda").get<double>(),
          .threshold = object.at("threshold").get<double>(),
          .cap_factor = object.at("cap_factor").get<double>(),
          .total_mass = object.at("total_mass").get<double>(),
          .budget = object.at("budget").get<double>(),
          .soft_mass_L = object.at("soft_mass").get<std::vector<double>>(),
          .seed = object.at("seed").get<std::uint64_t>(),
          .cut_L = object.value("cuts", std::vector<double>()),
          .controller = {.lambda = controller.at("lambda").get<double>(),
                         .alpha = controller.at("alpha").get<double>(),
                         .debt = controller.at("debt").get<double>(),
                         .gain = controller.at("gain").get<double>(),
                         .last_record = Step(controller.at("last_record").get<std::int64_t>())}};
}

/// Entries of the metadata of one file.
class Entries {
 public:
  Entries(const Metadata& metadata, std::string_view file) : metadata_(metadata), file_(file) {}

  [[nodiscard]] const std::string& text(const char* name) const {
    const auto found = metadata_.find(name);
    if (found == metadata_.end()) {
      refuse(file_, fmt::format("has no entry '{}' in its metadata; it is incomplete", name));
    }
    return found->second;
  }
  [[nodiscard]] std::int64_t integer(const char* name) const {
    const std::string& digits = text(name);
    std::int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end || value < 0) {
      refuse(file_, fmt::format("has the entry '{}' = {} in its metadata, which is no count", name,
                                storage::displayed(digits)));
    }
    return value;
  }
  /// @param read  json -> value; what it throws names the key.
  template <class Read>
  [[nodiscard]] auto parsed(const char* name, Read&& read) const {
    try {
      return read(json::parse(text(name)));
    } catch (const json::exception& error) {
      refuse(file_, fmt::format("has an entry '{}' in its metadata that cannot be read: {}", name,
                                error.what()));
    }
  }

 private:
  const Metadata& metadata_;
  std::string_view file_;
};

}  // namespace

SavedRouting routing_of(model::Transformer& model, const budget::ControlWord& word,
                        const budget::ControllerState& state, std::uint64_t seed) {
  const model::RoutingState& routing = model.routing();
  return {.alpha = word.alpha,
          .lambda = word.lambda,
          .threshold = model.config().router.threshold,
          .cap_factor = model.config().router.cap_factor,
          .total_mass = routing.total_mass(),
          .budget = word.budget,
          .soft_mass_L = {routing.means().begin(), routing.means().end()},
          .seed = seed,
          .cut_L = {routing.cuts().begin(), routing.cuts().end()},
          .controller = state};
}

Metadata to_metadata(const ModelInfo& info, const TensorChecksums& checksums) {
  Metadata metadata = {{kVersion, std::to_string(kFormatVersion)},
                       {kStep, std::to_string(info.step.value)},
                       {kConfig, info.config_yaml},
                       {kVocabulary, std::to_string(info.vocabulary)},
                       {kTokenizerHash, info.tokenizer_hash},
                       {kRouting, routing_to_json(info.routing).dump()},
                       {kTensorChecksums, json(checksums).dump()}};
  metadata.emplace(kMetadataChecksum, std::to_string(checksum_of(metadata)));
  return metadata;
}

ParsedMetadata parse_metadata(const Metadata& metadata, std::string_view file) {
  if (!metadata.contains(kVersion)) {
    refuse(file,
           fmt::format("is not a model of this program: its metadata has no entry '{}'", kVersion));
  }
  const Entries entries(metadata, file);
  const std::int64_t version = entries.integer(kVersion);
  if (version != kFormatVersion) {
    refuse(file,
           fmt::format("has the format version {}, and this program reads version {}; read it "
                       "with the program that wrote it",
                       version, kFormatVersion));
  }
  if (entries.integer(kMetadataChecksum) != checksum_of(metadata)) {
    refuse(file, "is damaged: its metadata do not fit their checksum; copy the file again");
  }
  return {.info = {.step = Step(entries.integer(kStep)),
                   .config_yaml = entries.text(kConfig),
                   .vocabulary = entries.integer(kVocabulary),
                   .tokenizer_hash = entries.text(kTokenizerHash),
                   .routing = entries.parsed(kRouting, routing_from_json)},
          .checksums = entries.parsed(
              kTensorChecksums, [](const json& object) { return object.get<TensorChecksums>(); })};
}

}  // namespace softmoe::training
