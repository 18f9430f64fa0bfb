#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/problems.h"
#include "runtime/config/source.h"

namespace softmoe::config {

struct Entry;

/// A value as the user wrote it.
struct Node {
  enum class Kind {
    null,     ///< nothing, `~` or `null`
    scalar,   ///< `text`
    list,     ///< `items`
    map,      ///< `entries`, each key once
    refused,  ///< something a problem was already told about; reads as absent
  };

  Kind kind = Kind::null;
  Place place;
  std::string text = {};
  bool quoted = false;  ///< a scalar in quotes or a block: text, never a number
  std::vector<Node> items = {};
  std::vector<Entry> entries = {};
};

struct Entry {
  std::string key;
  Place place;
  Node value;
};

inline constexpr std::size_t kMaxDepth = 32;               ///< of maps and lists in each other
inline constexpr std::size_t kMaxScalarBytes = 16 * 1024;  ///< of one key or value

/// Parses the strict YAML of this product: one document, a map at the top, UTF-8, no anchors,
/// aliases, tags or merge keys, each key once and plain text, text in quotes ends on its line,
/// spaces for indentation, at most kMaxDepth levels.
///
/// What leaves the structure clear goes to `problems` and the tree goes on without it.
///
/// @returns the tree, a map or null when the document is empty; nothing when the structure is
///          broken, and then `problems` says where.
[[nodiscard]] std::optional<Node> parse_document(const Source& source, Problems& problems);

}  // namespace softmoe::config
