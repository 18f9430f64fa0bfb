#pragma once

#include <map>
#include <string>

#include "runtime/storage/file_system.h"

namespace softmoe::storage {

/// Which file of a model in several safetensors files holds which tensor: tensor -> name of a file
/// in the directory of the index (model.safetensors.index.json, its member `weight_map`).
using SafetensorsIndex = std::map<std::string, std::string>;

/// Reads an index from anyone. Whether the files hold the tensors is not looked at.
/// @throws StorageError missing if there is no such file; bad_format naming it and the rule it
///         breaks: JSON without duplicate keys, a weight_map from texts to texts, and file names
///         that stay in the directory of the index (no '/', no '\', not '.' or '..').
[[nodiscard]] SafetensorsIndex read_safetensors_index(FileSystem& files, const Path& path);

}  // namespace softmoe::storage
