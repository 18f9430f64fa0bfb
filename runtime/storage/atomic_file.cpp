#include "runtime/storage/atomic_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace softmoe::storage {
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";

// So many remnants of killed writers of one file mean that something else is wrong.
constexpr int kMaxTemporaryFiles = 1000;

}  // namespace

AtomicFile::AtomicFile(FileSystem& files, Path path) : files_(files), path_(std::move(path)) {
  // create() hands a name to one caller only, so the first free number is ours, whoever else
  // writes here.
  for (int n = 0; n < kMaxTemporaryFiles; ++n) {
    temporary_path_ = path_;
    temporary_path_ += fmt::format("{}{}", kTemporaryMark, n);
    file_ = files_.create(temporary_path_);
    if (file_ != nullptr) return;
  }
  throw StorageError(
      StorageError::Kind::cannot_write,
      fmt::format(
          "cannot write '{0}': {1} unfinished files '{0}{2}*' stand beside it (remove them)",
          path_.string(), kMaxTemporaryFiles, kTemporaryMark));
}

AtomicFile::~AtomicFile() {
  if (file_ != nullptr) remove_temporary();
}

void AtomicFile::commit() {
  try {
    file_->sync();
    file_->close();
    files_.rename(temporary_path_, path_);
  } catch (...) {
    remove_temporary();
    throw;
  }
  file_.reset();
  files_.sync_directory(directory_of(path_));
}

void AtomicFile::remove_temporary() noexcept {
  file_.reset();
  try {
    files_.remove(temporary_path_);
  } catch (const StorageError&) {
    // The failure that brought us here is the one to report; the remnant is harmless.
  }
}

void write_file(FileSystem& files, const Path& path, std::span<const std::byte> bytes) {
  AtomicFile file(files, path);
  file.append(bytes);
  file.commit();
}

bool is_temporary_name(std::string_view name) {
  const std::size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string_view::npos) return false;
  const std::string_view number = name.substr(mark + kTemporaryMark.size());
  return !number.empty() &&
         std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace softmoe::storage
