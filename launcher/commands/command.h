#pragma once

// One function per command; each returns the exit code and throws the house's errors.

#include <optional>
#include <string>
#include <vector>

#include "launcher/run/exit_code.h"

namespace softmoe::launcher {

/// What a command that runs on ranks is given.
struct RunOptions {
  std::string config_path;             ///< empty: the defaults
  std::vector<std::string> overrides;  ///< key=value
  std::optional<int> expect_world;     ///< ranks there have to be
};

[[nodiscard]] ExitCode train(const RunOptions& options);
/// Every key of the configuration with default, limits and meaning, as docs/configuration.md has
/// it.
[[nodiscard]] ExitCode print_keys();

struct EvalOptions {
  std::string model;                   ///< run folder or model file
  std::vector<std::string> overrides;  ///< of the configuration saved with the model
  std::optional<int> expect_world;
  std::int64_t sequences = 0;  ///< 0: all of the validation tokens
};
[[nodiscard]] ExitCode evaluate(const EvalOptions& options);

struct GenerateOptions {
  std::string model;
  std::vector<std::string> overrides;
  std::optional<int> expect_world;
  std::string prompt;
  int tokens = 100;
  double temperature = 0.8;
  double top_p = 0.95;
  std::uint64_t seed = 1;
};
[[nodiscard]] ExitCode generate(const GenerateOptions& options);

struct DataBuildOptions {
  std::string from;
  std::string to;
  std::string tokenizer = "bpe";
  int vocabulary = 4096;
  double validation = 0.05;
};
[[nodiscard]] ExitCode build_data(const DataBuildOptions& options);
[[nodiscard]] ExitCode inspect_data(const std::string& path);

[[nodiscard]] ExitCode print_version();

}  // namespace softmoe::launcher
