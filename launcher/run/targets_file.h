#pragma once

#include <span>
#include <string>

#include "runtime/metrics/targets.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

/// Targets for Prometheus' file_sd_configs: a JSON file in a folder that others write to as well,
/// complete whenever it is read, gone with this object.
class TargetsFile {
 public:
  /// @param folder  made if need be
  /// @param name    of the file, without .json; what is not a letter, digit, '-', '_' or '.'
  ///                becomes '_'
  /// @throws StorageError if there can be no such folder
  TargetsFile(const std::string& folder, const std::string& name);
  ~TargetsFile();
  TargetsFile(const TargetsFile&) = delete;
  TargetsFile& operator=(const TargetsFile&) = delete;

  /// Writes the file, unless it says the same already.
  /// @throws StorageError; then the file is as before, and the next call tries again
  void update(std::span<const metrics::Target> targets);

 private:
  storage::PosixFileSystem files_;
  storage::Path path_;
  std::string written_;
};

}  // namespace softmoe::launcher
