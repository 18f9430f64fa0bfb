#pragma once

// Files that only their owner may read: tokens and private keys.

#include <string>
#include <string_view>

#include "runtime/storage/file_system.h"

namespace softmoe::coordinator {

/// Writes a file with mode 0600 before anything is in it; on return it is durable under its name.
/// A file of that name is replaced, and its readers see the old one or the whole new one.
/// @throws StorageError
void write_secret(const storage::Path& path, std::string_view text);

/// A file of at most 64 KiB that nobody but its owner may read.
/// @throws ConfigError with the cure, if others may read it or it is no regular file of that size;
///         StorageError if it cannot be read
[[nodiscard]] std::string read_secret(const storage::Path& path);

}  // namespace softmoe::coordinator
