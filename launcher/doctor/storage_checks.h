#pragma once

// The place where results go.

#include <cstdint>
#include <string>

#include "launcher/doctor/finding.h"

namespace softmoe::launcher {

struct StorageFacts {
  std::string folder;
  std::string write_fault;   ///< why nothing can be written; empty: it can
  std::string rename_fault;  ///< why a file cannot replace another in one step; empty: it can
  double sync_seconds = 0;   ///< until 1 MiB was durable
  std::int64_t free_bytes = 0;
};
[[nodiscard]] Findings check_storage(const StorageFacts& facts);

/// Writes, syncs and renames a small file in `folder` or its nearest parent that is there, and
/// leaves nothing behind.
[[nodiscard]] StorageFacts probe_storage(const std::string& folder);

}  // namespace softmoe::launcher
