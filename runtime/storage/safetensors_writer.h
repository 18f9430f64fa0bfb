#pragma once

#include "runtime/storage/atomic_file.h"
#include "runtime/storage/safetensors.h"

namespace softmoe::storage {

/// A tensor that a file will hold.
struct TensorDeclaration {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> dims = {};
};

/// The header of a file with these tensors, as a SafetensorsWriter writes it.
/// @throws InvalidArgument naming the tensor and the limit.
[[nodiscard]] SafetensorsHeader lay_out(std::vector<TensorDeclaration> tensors,
                                        std::map<std::string, std::string> metadata);
/// Size of the file with that header.
[[nodiscard]] std::int64_t safetensors_file_bytes(const SafetensorsHeader& header);

/// Writes a safetensors file without holding it in memory: all tensors are declared first, then
/// their bytes come in pieces, tensor by tensor or mixed. The file appears complete or not at all
/// (AtomicFile).
///
/// Equal declarations give equal headers: in the file the tensors stand by element size, large
/// first, then by name, so that each is aligned to its elements; the caller's order does not
/// matter.
class SafetensorsWriter {
 public:
  /// @param files     outlives this object.
  /// @param tensors   names unique, not "__metadata__", UTF-8 of at most 1 KiB; at most 8 dims.
  /// @param metadata  texts in UTF-8.
  /// @throws InvalidArgument naming the tensor and the limit; StorageError cannot_write.
  SafetensorsWriter(FileSystem& files, const Path& path, std::vector<TensorDeclaration> tensors,
                    std::map<std::string, std::string> metadata = {});

  /// The tensors in the order of their bytes in the file. Written in this order, the file is
  /// written from front to back.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return header_.tensors; }

  /// Adds the next bytes of a tensor, little-endian, row-major.
  /// @throws InvalidArgument if the tensor was not declared or has no room for them.
  void append(std::string_view name, std::span<const std::byte> bytes);

  /// Makes the file durable under its name.
  /// @throws InvalidArgument naming a tensor whose bytes have not all come.
  void finish();

 private:
  struct Progress {
    std::size_t index = 0;
    std::int64_t written_bytes = 0;
  };

  SafetensorsHeader header_;
  std::map<std::string, Progress, std::less<>> progress_;
  AtomicFile file_;
  std::int64_t data_begin_ = 0;
};

}  // namespace softmoe::storage
