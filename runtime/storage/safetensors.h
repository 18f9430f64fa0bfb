#pragma once

// The safetensors format, as far as reader and writer share it: a file is the length N of its
// header (u64, little-endian), N bytes of JSON, and the data area, in which the tensors stand one
// after the other without holes. https://github.com/huggingface/safetensors

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/dtype.h"

namespace softmoe::storage {

/// Limits on what is read and written. The first is the format's, the others are ours: a header is
/// input from strangers.
inline constexpr std::int64_t kMaxHeaderBytes = 100'000'000;
inline constexpr std::size_t kMaxTensors = 1'000'000;
inline constexpr std::size_t kMaxTensorNameBytes = 1024;
inline constexpr std::size_t kMaxTensorDims = 8;

/// One tensor of a file.
struct TensorInfo {
  std::string name;
  std::string dtype_name;               ///< as the file has it: "BF16"
  std::optional<DType> dtype;           ///< none where no DType of ours has such elements
  std::vector<std::int64_t> dims = {};  ///< row-major; empty for a scalar
  std::int64_t begin = 0;               ///< first byte, from the start of the data area
  std::int64_t bytes = 0;               ///< size in the file

  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

/// What the header says.
struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorInfo> tensors;  ///< by place in the data area

  /// Size of the data area.
  [[nodiscard]] std::int64_t data_bytes() const {
    return tensors.empty() ? 0 : tensors.back().begin + tensors.back().bytes;
  }
};

/// How the format calls elements of type `dtype`.
[[nodiscard]] std::string_view safetensors_name_of(DType dtype);

/// The DType of a name of the format; none for the types that we do not compute with.
[[nodiscard]] std::optional<DType> dtype_of_safetensors(std::string_view name);

/// Bits of one element of any type of the format, also of those that we do not compute with; none
/// if the format has no such type.
[[nodiscard]] std::optional<std::int64_t> bits_of_safetensors(std::string_view name);

/// Reads a header and checks all that can be known without the data.
/// @param json  the header, without the length ahead of it.
/// @param file  begins every message.
/// @throws StorageError bad_format naming the file, the tensor and the rule that is broken.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view json,
                                                         std::string_view file);

/// The JSON of a header, padded with spaces so that the data area starts at a multiple of 8.
/// @throws InvalidArgument if a name or a text is not UTF-8.
[[nodiscard]] std::string format_safetensors_header(const SafetensorsHeader& header);

/// A name from a file as it can be shown to a person: quoted, short, and without bytes that would
/// steer a terminal.
[[nodiscard]] std::string displayed(std::string_view name);

}  // namespace softmoe::storage
