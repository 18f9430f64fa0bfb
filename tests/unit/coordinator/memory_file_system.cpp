#include "tests/unit/coordinator/memory_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace softmoe::coordinator {
namespace {

using storage::Path;
using Contents = MemoryFileSystem::Contents;

class Readable final : public storage::ReadableFile {
 public:
  explicit Readable(std::shared_ptr<Contents> contents) : contents_(std::move(contents)) {}
  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(contents_->data.size());
  }
  void read_at(std::int64_t offset, std::span<std::byte> out) const override {
    if (!out.empty()) std::memcpy(out.data(), contents_->data.data() + offset, out.size());
  }

 private:
  std::shared_ptr<Contents> contents_;
};

class Writable final : public storage::WritableFile {
 public:
  explicit Writable(std::shared_ptr<Contents> contents) : contents_(std::move(contents)) {}
  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(contents_->data.size());
  }
  void append(std::span<const std::byte> bytes) override {
    contents_->data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void write_at(std::int64_t, std::span<const std::byte>) override {
    throw StorageError(StorageError::Kind::io, "not for this test");
  }
  void sync() override { contents_->synced = contents_->data.size(); }
  void close() override {}

 private:
  std::shared_ptr<Contents> contents_;
};

}  // namespace

void MemoryFileSystem::crash(double surviving_share) {
  for (auto& [name, contents] : files_) {
    const auto lost = static_cast<double>(contents->data.size() - contents->synced);
    contents->data.resize(contents->synced + static_cast<std::size_t>(lost * surviving_share));
  }
}

std::unique_ptr<storage::ReadableFile> MemoryFileSystem::open(const Path& path) {
  return std::make_unique<Readable>(files_.at(path.string()));
}

std::unique_ptr<storage::FileMapping> MemoryFileSystem::map(const Path&) {
  throw StorageError(StorageError::Kind::io, "not for this test");
}

std::unique_ptr<storage::WritableFile> MemoryFileSystem::create(const Path& path) {
  if (exists(path)) return nullptr;
  return open_to_append(path);
}

std::unique_ptr<storage::WritableFile> MemoryFileSystem::open_to_append(const Path& path) {
  std::shared_ptr<Contents>& contents = files_[path.string()];
  if (contents == nullptr) contents = std::make_shared<Contents>();
  return std::make_unique<Writable>(contents);
}

bool MemoryFileSystem::exists(const Path& path) {
  return files_.contains(path.string());
}

bool MemoryFileSystem::is_directory(const Path&) {
  return false;
}

std::int64_t MemoryFileSystem::size(const Path& path) {
  return static_cast<std::int64_t>(files_.at(path.string())->data.size());
}

std::vector<std::string> MemoryFileSystem::list(const Path&) {
  return {};
}

void MemoryFileSystem::make_directories(const Path&) {}

void MemoryFileSystem::rename(const Path& from, const Path& to) {
  files_[to.string()] = files_.at(from.string());
  files_.erase(from.string());
}

void MemoryFileSystem::remove(const Path& path) {
  files_.erase(path.string());
}

void MemoryFileSystem::sync_directory(const Path&) {}

}  // namespace softmoe::coordinator
