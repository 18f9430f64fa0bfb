#pragma once

// A saved model on this rank, ready for inference.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/run/rank_session.h"
#include "runtime/storage/posix_file_system.h"
#include "training/model_file.h"

namespace softmoe::launcher {

/// What to load.
struct ModelChoice {
  std::string path;                    ///< run folder or model file
  std::vector<std::string> overrides;  ///< key=value above the saved configuration
  std::optional<int> expect_world;
};

/// The configuration that a model was saved with, a session, and the model in it, at any number of
/// ranks.
class LoadedModel {
 public:
  /// Collective. @throws StorageError, ConfigError, CommError
  explicit LoadedModel(const ModelChoice& choice);

  [[nodiscard]] const RunConfig& config() const { return loaded_.value; }
  [[nodiscard]] RankSession& session() { return *session_; }
  [[nodiscard]] model::Transformer& model() { return *model_; }
  [[nodiscard]] storage::FileSystem& files() { return files_; }
  [[nodiscard]] const training::ModelInfo& info() const { return info_; }

 private:
  storage::PosixFileSystem files_;
  training::ModelInfo info_;
  config::Loaded<RunConfig> loaded_;
  std::optional<RankSession> session_;
  std::optional<model::Transformer> model_;
};

}  // namespace softmoe::launcher
