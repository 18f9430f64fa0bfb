#pragma once

#include <string>
#include <string_view>

namespace softmoe::tokenizer {

/// Reads a whole file, or standard input if `path` is "-".
/// @throws Failure (missing_input, bad_data) naming the path and the reason.
[[nodiscard]] std::string read_input(const std::string& path);

/// Writes a file so that `path` holds either its old content or all of the new one.
/// @throws Failure (cannot_write) naming the path and the reason.
void write_output(const std::string& path, std::string_view content);

}  // namespace softmoe::tokenizer
