#pragma once

#include "runtime/storage/file_system.h"
#include "runtime/storage/safetensors.h"

namespace softmoe::storage {

/// Reads a safetensors file from anyone. The header is read and checked whole on opening; the data
/// are read on demand, so memory holds what the caller asks for. Several threads may read at once.
///
/// Refused besides what the format refuses: more than 10^6 tensors, names above 1 KiB, more than 8
/// dims, unknown entries of a tensor.
class SafetensorsReader {
 public:
  /// @throws StorageError missing if there is no such file, bad_format naming the file and the rule
  ///         it breaks.
  SafetensorsReader(FileSystem& files, const Path& path);

  [[nodiscard]] const std::map<std::string, std::string>& metadata() const {
    return header_.metadata;
  }
  /// All tensors in the order of their bytes in the file.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  /// Their names, in the same order.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool contains(std::string_view name) const;
  /// @throws StorageError bad_format if the file has no tensor of this name.
  [[nodiscard]] const TensorInfo& info(std::string_view name) const;

  /// Fills `out` with the bytes of a tensor, little-endian, row-major.
  /// @throws InvalidArgument if `out` has another size than the tensor;
  ///         StorageError bad_format if the tensor is not there or has elements that DType lacks.
  void read(std::string_view name, std::span<std::byte> out) const;
  /// Fills `out` from byte `begin` of a tensor on.
  /// @throws as read(); InvalidArgument if the range leaves the tensor.
  void read_range(std::string_view name, std::int64_t begin, std::span<std::byte> out) const;

 private:
  std::string path_;
  std::unique_ptr<ReadableFile> file_;
  SafetensorsHeader header_;
  std::int64_t data_begin_ = 0;
  std::map<std::string, std::size_t, std::less<>> index_of_;
};

}  // namespace softmoe::storage
