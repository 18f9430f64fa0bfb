#pragma once

// A file of lines, read piece by piece.

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "runtime/storage/file_system.h"

namespace softmoe::training {

/// A line without its end. It is valid during the call that hands it over.
struct TextLine {
  std::int64_t number = 1;  ///< from 1
  std::string_view text;
  bool is_ended = true;  ///< false: the file stops in it, as where a process is still writing
};

/// The longest line that is read.
inline constexpr std::int64_t kMaxLineBytes = std::int64_t{64} << 20;

/// Calls `take` with each line, in order; holds one line and one piece of the file.
/// @throws StorageError bad_format, naming file and line, if a line is longer than kMaxLineBytes.
void for_each_line(storage::FileSystem& files, const storage::Path& path,
                   const std::function<void(const TextLine&)>& take);

/// Calls `take` with the object on each line.
/// @return whether a half-written last line was left out.
/// @throws StorageError bad_format, naming file and line, if another line is no JSON object, or if
///         `take` throws nlohmann::json::exception or InvalidArgument.
[[nodiscard]] bool for_each_object(storage::FileSystem& files, const storage::Path& path,
                                   const std::function<void(const nlohmann::json&)>& take);

}  // namespace softmoe::training
