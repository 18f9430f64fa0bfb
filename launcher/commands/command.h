#pragma once

// One function per command; each returns the exit code and throws the house's errors.

#include <optional>
#include <string>
#include <vector>

#include "coordinator/coordinator_config.h"
#include "coordinator/messages.h"
#include "launcher/run/exit_code.h"

namespace softmoe::launcher {

/// What a command that runs on ranks is given.
struct RunOptions {
  std::string config_path;             ///< empty: the defaults
  std::vector<std::string> overrides;  ///< key=value
  std::optional<int> expect_world;     ///< ranks there have to be
  std::string replay;                  ///< run folder to repeat from its control.jsonl; empty: none
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

struct CoordinatorOptions {
  std::string config_path;
  std::vector<std::string> overrides;
  std::optional<int> expect_world;  ///< ranks of the run
};
/// Serves until SIGINT or SIGTERM.
[[nodiscard]] ExitCode run_coordinator(const CoordinatorOptions& options);

struct CertificateOptions {
  std::string folder;
  std::string run_id;
  int world = 1;
  std::vector<std::string> hosts;
  int days = 30;
};
[[nodiscard]] ExitCode make_certificates(const CertificateOptions& options);

/// Which coordinator a command of `softmoe ctl` talks to, and how.
struct CtlOptions {
  std::string place;        ///< a run folder, or a coordinator's folder
  std::string config_path;  ///< the run's configuration: its section `coordinator`
  std::string address;
  std::string token_file;
  coordinator::TlsConfig tls;
  bool insecure = false;
  bool json = false;
};
[[nodiscard]] ExitCode ctl_status(const CtlOptions& options);
/// @param count 0: until it is stopped
[[nodiscard]] ExitCode ctl_watch(const CtlOptions& options, double every_seconds,
                                 std::int64_t count);
[[nodiscard]] ExitCode ctl_change(const CtlOptions& options, const coordinator::ChangeOrder& order);
[[nodiscard]] ExitCode ctl_checkpoint(const CtlOptions& options);
/// @param is_sure otherwise the user is asked
[[nodiscard]] ExitCode ctl_drain(const CtlOptions& options, bool is_sure);

[[nodiscard]] ExitCode print_version();

}  // namespace softmoe::launcher
