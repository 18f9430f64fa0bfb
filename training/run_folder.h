#pragma once

#include <string>

#include "runtime/storage/file_system.h"

namespace softmoe::training {

/// The folder of one run: metrics.jsonl, events.jsonl, control.jsonl, config.yaml,
/// model.safetensors. On rank 0 only.
class RunFolder {
 public:
  /// Makes the folder, and the files that grow.
  /// @throws StorageError cannot_write, with the cure, if it cannot; ConfigError if another run's
  ///         results are there
  RunFolder(storage::FileSystem& files, const storage::Path& path);

  [[nodiscard]] const storage::Path& path() const { return path_; }
  [[nodiscard]] storage::Path model() const { return path_ / "model.safetensors"; }

  /// One line of metrics.jsonl: a JSON object.
  void add_metrics(const std::string& json);
  /// One line of events.jsonl.
  void add_event(const std::string& json);
  /// One line of control.jsonl.
  void add_control(const std::string& json);
  /// A whole file, atomically.
  void write(const std::string& name, const std::string& text);

 private:
  storage::FileSystem* files_;
  storage::Path path_;
  std::unique_ptr<storage::WritableFile> metrics_;
  std::unique_ptr<storage::WritableFile> events_;
  std::unique_ptr<storage::WritableFile> control_;
};

/// A name for a run that was given none: runs/YYYYMMDD-HHMMSS, local time.
[[nodiscard]] std::string new_run_name();

}  // namespace softmoe::training
