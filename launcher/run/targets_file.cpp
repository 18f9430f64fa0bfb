#include "launcher/run/targets_file.h"

#include <algorithm>
#include <cctype>

#include "runtime/base/errors.h"
#include "runtime/storage/atomic_file.h"

namespace softmoe::launcher {

namespace {

bool is_plain(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' || letter == '_' ||
         letter == '.';
}

std::string file_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char letter) { return !is_plain(letter); }, '_');
  return name + ".json";
}

}  // namespace

TargetsFile::TargetsFile(const std::string& folder, const std::string& name)
    : path_(storage::Path(folder) / file_name(name)) {
  files_.make_directories(folder);
}

TargetsFile::~TargetsFile() {
  try {
    if (files_.exists(path_)) files_.remove(path_);
  } catch (const StorageError&) {
    // A file that stays names pages that nobody serves: Prometheus shows them as down.
  }
}

void TargetsFile::update(std::span<const metrics::Target> targets) {
  std::string text = metrics::targets_json(targets);
  if (text == written_) return;
  storage::write_file(files_, path_, storage::bytes_of(text));
  written_ = std::move(text);
}

}  // namespace softmoe::launcher
