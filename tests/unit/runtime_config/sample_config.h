#pragma once

// A configuration with one key of every kind, and what loading a text of it says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/config/load.h"
#include "runtime/config/reader.h"

namespace softmoe::config {

enum class SampleMode { servo, quota, off };

struct SampleRouter {
  double temperature = 1.0;
  std::optional<int> cap;
  std::optional<SampleMode> fallback;

  void bind(Reader& reader) {
    reader.value("temperature", temperature, Range{.above = 0}, "scale, in score units");
    reader.value("cap", cap, Range{.min = 1}, "most experts of a token");
    reader.choice("fallback", fallback, {{"servo", SampleMode::servo}, {"off", SampleMode::off}},
                  "what to do without a budget");
  }
  void validate(Check& check) const {
    if (cap && *cap > 64) check.refuse("cap", "must be at most 64; a token has 64 experts");
  }
};

struct SampleModel {
  int num_experts = 8;
  std::int64_t num_tokens = 1'000'000;
  std::uint64_t seed = 0;
  SampleMode mode = SampleMode::servo;
  bool tied = false;
  std::string path = "data/train set.bin";
  std::vector<int> dense_layers = {0};
  std::vector<double> weights;
  std::vector<std::string> tags;
  SampleRouter router;

  void bind(Reader& reader) {
    reader.value("num_experts", num_experts, Range{.min = 1, .max = 4096}, "experts of a layer");
    reader.value("num_tokens", num_tokens, "tokens of the run");
    reader.value("seed", seed, "of everything random");
    reader.choice(
        "mode", mode,
        {{"servo", SampleMode::servo}, {"quota", SampleMode::quota}, {"off", SampleMode::off}},
        "how the budget is held");
    reader.value("tied", tied, "head and embedding share weights");
    reader.value("path", path, "where the tokens are");
    reader.list("dense_layers", dense_layers, Range{.min = 0}, "layers without experts");
    reader.list("weights", weights, "of the data sets");
    reader.list("tags", tags, "for the report");
    reader.section("router", router);
  }
  void validate(Check& check) const {
    if (num_experts % 2 != 0) check.refuse("num_experts", "must be even; the nearest is 8");
  }
};

struct SampleConfig {
  int num_steps = 100;
  SampleModel model;
  std::string auth_token;

  void bind(Reader& reader) {
    reader.value("num_steps", num_steps, Range{.min = 1}, "steps of the run");
    reader.section("model", model);
    reader.value("auth_token", auth_token, "for the coordinator");
  }
};

inline Loaded<SampleConfig> load_sample(std::string text,
                                        const std::vector<std::string>& overrides = {}) {
  return load<SampleConfig>(Source::text(std::move(text), "train.yaml"), overrides);
}

/// The whole message of loading it, or "" if it loads.
inline std::string errors_of(std::string text, const std::vector<std::string>& overrides = {}) {
  try {
    (void)load_sample(std::move(text), overrides);
    return {};
  } catch (const ConfigError& error) {
    return error.what();
  }
}

}  // namespace softmoe::config
