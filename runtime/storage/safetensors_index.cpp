#include "runtime/storage/safetensors_index.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "runtime/storage/safetensors.h"

namespace softmoe::storage {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 4;

[[noreturn]] void refuse(const Path& path, const std::string& rule) {
  throw StorageError(
      StorageError::Kind::bad_format,
      fmt::format("'{}' is not an index of safetensors files: {}", path.string(), rule));
}

/// Parses strictly: of equal keys nlohmann would keep the last, and at a zero byte it would stop.
Json parse(const std::string& text, const Path& path) {
  if (text.find('\0') != std::string::npos) refuse(path, "it holds a zero byte");
  std::vector<std::set<std::string>> keys_at_depth(kMaxDepth + 1);
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) refuse(path, "it is nested too deeply");
    if (event == Json::parse_event_t::object_start && depth < kMaxDepth) {
      keys_at_depth[depth + 1].clear();
    }
    if (event == Json::parse_event_t::key &&
        !keys_at_depth[depth].insert(value.get<std::string>()).second) {
      refuse(path, fmt::format("it has {} twice", displayed(value.get<std::string>())));
    }
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& error) {
    refuse(path, fmt::format("it is not JSON in UTF-8, at byte {}", error.byte));
  }
}

bool is_bare_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of("/\\") == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

SafetensorsIndex read_safetensors_index(FileSystem& files, const Path& path) {
  const Json json = parse(read_text(files, path, kMaxHeaderBytes), path);
  const auto weight_map = json.is_object() ? json.find("weight_map") : json.end();
  if (weight_map == json.end() || !weight_map->is_object()) refuse(path, "it has no weight_map");
  SafetensorsIndex index;
  for (const auto& [tensor, file] : weight_map->items()) {
    if (!file.is_string() || !is_bare_file_name(file.get<std::string>())) {
      refuse(path, fmt::format("the tensor {} is in {}, and a bare file name is expected",
                               displayed(tensor), displayed(file.dump())));
    }
    index.emplace(tensor, file.get<std::string>());
  }
  return index;
}

}  // namespace softmoe::storage
