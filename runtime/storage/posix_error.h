#pragma once

#include <string_view>

#include "runtime/storage/file_system.h"

namespace softmoe::storage {

/// What a failed call was about to do; decides which kind of StorageError `ENOENT` is.
enum class Access { read, write };

/// Throws the StorageError for `error` (a value of errno) of `operation` on `path`.
/// @param operation  completes "cannot ...": "open", "rename to 'x'".
[[noreturn]] void throw_posix_error(Access access, std::string_view operation, const Path& path,
                                    int error);

}  // namespace softmoe::storage
