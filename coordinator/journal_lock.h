#pragma once

#include "runtime/storage/posix_file.h"

namespace softmoe::coordinator {

/// One process at a time owns a journal. The system holds the lock and lets go of it when the
/// process ends, however it ends: a coordinator that was killed blocks nobody. The file stays, and
/// names the owner for people.
class JournalLock {
 public:
  /// @param path  of the lock file; it is created if it is missing.
  /// @throws StorageError cannot_write, naming the owner and the cure, if somebody has it; as the
  ///         system says, if the file cannot be opened.
  explicit JournalLock(const storage::Path& path);

 private:
  storage::Descriptor file_;
};

}  // namespace softmoe::coordinator
