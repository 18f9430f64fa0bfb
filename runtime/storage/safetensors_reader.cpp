#include "runtime/storage/safetensors_reader.h"

#include <fmt/format.h>

#include <array>

namespace softmoe::storage {
namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& rule) {
  throw StorageError(StorageError::Kind::bad_format,
                     fmt::format("'{}' is not a safetensors file: {}", file, rule));
}

/// Bytes of the header of `file`, checked against the format and the size of the file.
std::int64_t header_bytes_of(const ReadableFile& file, const std::string& path) {
  std::array<std::byte, 8> prefix{};
  if (file.size() < static_cast<std::int64_t>(prefix.size())) {
    refuse(path, fmt::format("it has {} bytes, and its header alone takes more", file.size()));
  }
  file.read_at(0, prefix);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    length |= std::to_integer<std::uint64_t>(prefix[i]) << (8 * i);
  }
  if (length > static_cast<std::uint64_t>(kMaxHeaderBytes)) {
    refuse(path, fmt::format("its header would have {} bytes, and at most {} are allowed", length,
                             kMaxHeaderBytes));
  }
  const auto header_bytes = static_cast<std::int64_t>(length);
  if (header_bytes > file.size() - 8) {
    refuse(path, fmt::format("its header would have {} bytes, but the file has {} in all",
                             header_bytes, file.size()));
  }
  return header_bytes;
}

}  // namespace

SafetensorsReader::SafetensorsReader(FileSystem& files, const Path& path)
    : path_(path.string()), file_(files.open(path)) {
  const std::int64_t header_bytes = header_bytes_of(*file_, path_);
  std::string json(static_cast<std::size_t>(header_bytes), '\0');
  file_->read_at(8, std::as_writable_bytes(std::span(json)));
  header_ = parse_safetensors_header(json, path_);
  data_begin_ = 8 + header_bytes;
  if (header_.data_bytes() != file_->size() - data_begin_) {
    refuse(path_, fmt::format("its tensors take {} bytes, but {} follow the header (cut short, or "
                              "something was added: copy the file again)",
                              header_.data_bytes(), file_->size() - data_begin_));
  }
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
    index_of_.emplace(header_.tensors[i].name, i);
  }
}

std::vector<std::string> SafetensorsReader::names() const {
  std::vector<std::string> names;
  names.reserve(header_.tensors.size());
  for (const TensorInfo& tensor : header_.tensors) names.push_back(tensor.name);
  return names;
}

bool SafetensorsReader::contains(std::string_view name) const {
  return index_of_.find(name) != index_of_.end();
}

const TensorInfo& SafetensorsReader::info(std::string_view name) const {
  const auto found = index_of_.find(name);
  if (found == index_of_.end()) {
    throw StorageError(StorageError::Kind::bad_format,
                       fmt::format("'{}' has no tensor {}; it has {} others", path_,
                                   displayed(name), header_.tensors.size()));
  }
  return header_.tensors[found->second];
}

void SafetensorsReader::read(std::string_view name, std::span<std::byte> out) const {
  const TensorInfo& tensor = info(name);
  if (static_cast<std::int64_t>(out.size()) != tensor.bytes) {
    throw InvalidArgument(
        fmt::format("cannot read the tensor {} of '{}': it has {} bytes, and the "
                    "buffer has {}",
                    displayed(name), path_, tensor.bytes, out.size()));
  }
  read_range(name, 0, out);
}

void SafetensorsReader::read_range(std::string_view name, std::int64_t begin,
                                   std::span<std::byte> out) const {
  const TensorInfo& tensor = info(name);
  if (!tensor.dtype) {
    throw StorageError(
        StorageError::Kind::bad_format,
        fmt::format("cannot read the tensor {} of '{}': its elements are {}, and this program "
                    "computes with F64, F32, BF16, I64, I32 and U16 only (convert the file first)",
                    displayed(name), path_, tensor.dtype_name));
  }
  const auto size = static_cast<std::int64_t>(out.size());
  if (begin < 0 || begin > tensor.bytes || size > tensor.bytes - begin) {
    throw InvalidArgument(
        fmt::format("cannot read {} bytes from byte {} of the tensor {} of '{}': "
                    "it has {}",
                    size, begin, displayed(name), path_, tensor.bytes));
  }
  file_->read_at(data_begin_ + tensor.begin + begin, out);
}

}  // namespace softmoe::storage
