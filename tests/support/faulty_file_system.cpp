#include "tests/support/faulty_file_system.h"

#include <utility>

namespace softmoe {
namespace {

using storage::Path;

[[noreturn]] void fail(std::string_view operation) {
  throw StorageError(StorageError::Kind::cannot_write,
                     "injected fault in " + std::string(operation));
}

class FaultyWritableFile final : public storage::WritableFile {
 public:
  FaultyWritableFile(FaultyFileSystem& files, std::unique_ptr<storage::WritableFile> real)
      : files_(files), real_(std::move(real)) {}

  [[nodiscard]] std::int64_t size() const override { return real_->size(); }
  void append(std::span<const std::byte> bytes) override {
    const bool fails = files_.next_operation_fails();
    real_->append(fails ? bytes.first(bytes.size() / 2) : bytes);
    if (fails) fail("append");
  }
  void write_at(std::int64_t offset, std::span<const std::byte> bytes) override {
    const bool fails = files_.next_operation_fails();
    real_->write_at(offset, fails ? bytes.first(bytes.size() / 2) : bytes);
    if (fails) fail("write_at");
  }
  void sync() override {
    if (files_.next_operation_fails()) fail("sync");
    real_->sync();
  }
  void close() override {
    real_->close();
    if (files_.next_operation_fails()) fail("close");
  }

 private:
  FaultyFileSystem& files_;
  std::unique_ptr<storage::WritableFile> real_;
};

}  // namespace

void FaultyFileSystem::fail_at(int index, Fault fault) {
  operations_ = 0;
  failing_ = index;
  fault_ = fault;
}

bool FaultyFileSystem::next_operation_fails() {
  const int index = operations_++;
  return failing_ >= 0 && (index == failing_ || (fault_ == Fault::forever && index > failing_));
}

void FaultyFileSystem::step(std::string_view operation) {
  if (next_operation_fails()) fail(operation);
}

std::unique_ptr<storage::ReadableFile> FaultyFileSystem::open(const Path& path) {
  return real_.open(path);
}

std::unique_ptr<storage::FileMapping> FaultyFileSystem::map(const Path& path) {
  return real_.map(path);
}

std::unique_ptr<storage::WritableFile> FaultyFileSystem::create(const Path& path) {
  step("create");
  auto file = real_.create(path);
  if (file == nullptr) return nullptr;
  return std::make_unique<FaultyWritableFile>(*this, std::move(file));
}

std::unique_ptr<storage::WritableFile> FaultyFileSystem::open_to_append(const Path& path) {
  step("open_to_append");
  return std::make_unique<FaultyWritableFile>(*this, real_.open_to_append(path));
}

bool FaultyFileSystem::exists(const Path& path) {
  return real_.exists(path);
}
bool FaultyFileSystem::is_directory(const Path& path) {
  return real_.is_directory(path);
}
std::int64_t FaultyFileSystem::size(const Path& path) {
  return real_.size(path);
}
std::vector<std::string> FaultyFileSystem::list(const Path& directory) {
  return real_.list(directory);
}

void FaultyFileSystem::make_directories(const Path& directory) {
  step("make_directories");
  real_.make_directories(directory);
}

void FaultyFileSystem::rename(const Path& from, const Path& to) {
  step("rename");
  real_.rename(from, to);
}

void FaultyFileSystem::remove(const Path& path) {
  step("remove");
  real_.remove(path);
}

void FaultyFileSystem::sync_directory(const Path& directory) {
  step("sync_directory");
  real_.sync_directory(directory);
}

}  // namespace softmoe
