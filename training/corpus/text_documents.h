#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/storage/file_system.h"

namespace softmoe::training {

/// A file of text in a folder.
struct TextDocument {
  std::string
      name;  ///< path below the folder, with `/`, without `.gz`: what orders and splits documents
  storage::Path path;  ///< the file itself
};

/// Finds *.txt, *.rst and *.md and the same with .gz, in all folders below `folder`, ordered by
/// name (then path) in bytes. Links to files are followed, links to folders are not.
/// @throws StorageError missing if there is no such folder.
[[nodiscard]] std::vector<TextDocument> find_text_documents(storage::FileSystem& files,
                                                            const storage::Path& folder);

/// The whole text, unpacked if it is a .gz; exactly the bytes of the file, line ends and all.
/// @throws StorageError bad_format if it is not UTF-8 (with the place), not a whole gzip file, or
///         longer than tokenizer::kMaxDocumentBytes.
[[nodiscard]] std::string read_text_document(storage::FileSystem& files, const storage::Path& path);

}  // namespace softmoe::training
