#include "runtime/storage/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>
#include <utility>

namespace softmoe::storage {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are written as they lie in memory, and the format is little-endian");

[[noreturn]] void refuse(const TensorDeclaration& tensor, const std::string& reason) {
  throw InvalidArgument(
      fmt::format("cannot write the tensor {}: {}", displayed(tensor.name), reason));
}

std::int64_t bytes_of_tensor(const TensorDeclaration& tensor) {
  if (tensor.name == "__metadata__") refuse(tensor, "the format keeps this name for itself");
  if (tensor.name.size() > kMaxTensorNameBytes) {
    refuse(tensor, fmt::format("its name has {} bytes, and at most {} are allowed",
                               tensor.name.size(), kMaxTensorNameBytes));
  }
  if (tensor.dims.size() > kMaxTensorDims) {
    refuse(tensor, fmt::format("it has {} dims, and at most {} are allowed", tensor.dims.size(),
                               kMaxTensorDims));
  }
  // In bits, as readers of the format compute it.
  std::int64_t bits = 8 * size_of(tensor.dtype);
  for (const std::int64_t extent : tensor.dims) {
    if (extent < 0) refuse(tensor, fmt::format("the dim {} is negative", extent));
    if (__builtin_mul_overflow(bits, extent, &bits)) refuse(tensor, "its size overflows 64 bits");
  }
  return bits / 8;
}

std::array<std::byte, 8> little_endian(std::uint64_t value) {
  return std::bit_cast<std::array<std::byte, 8>>(value);
}

}  // namespace

SafetensorsHeader lay_out(std::vector<TensorDeclaration> tensors,
                          std::map<std::string, std::string> metadata) {
  if (tensors.size() > kMaxTensors) {
    throw InvalidArgument(fmt::format("cannot write {} tensors to one file: at most {} are allowed",
                                      tensors.size(), kMaxTensors));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorDeclaration& a, const TensorDeclaration& b) {
              return std::tuple(-size_of(a.dtype), std::string_view(a.name)) <
                     std::tuple(-size_of(b.dtype), std::string_view(b.name));
            });
  SafetensorsHeader header{.metadata = std::move(metadata), .tensors = {}};
  std::int64_t begin = 0;
  for (TensorDeclaration& tensor : tensors) {
    const std::int64_t bytes = bytes_of_tensor(tensor);
    header.tensors.push_back({.name = std::move(tensor.name),
                              .dtype_name = std::string(safetensors_name_of(tensor.dtype)),
                              .dtype = tensor.dtype,
                              .dims = std::move(tensor.dims),
                              .begin = begin,
                              .bytes = bytes});
    if (__builtin_add_overflow(begin, bytes, &begin)) {
      throw InvalidArgument("cannot write these tensors to one file: their size overflows 64 bits");
    }
  }
  return header;
}

std::int64_t safetensors_file_bytes(const SafetensorsHeader& header) {
  const auto json = static_cast<std::int64_t>(format_safetensors_header(header).size());
  return static_cast<std::int64_t>(sizeof(std::uint64_t)) + json + header.data_bytes();
}

SafetensorsWriter::SafetensorsWriter(FileSystem& files, const Path& path,
                                     std::vector<TensorDeclaration> tensors,
                                     std::map<std::string, std::string> metadata)
    : header_(lay_out(std::move(tensors), std::move(metadata))), file_(files, path) {
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
    const std::string& name = header_.tensors[i].name;
    if (!progress_.emplace(name, Progress{.index = i}).second) {
      throw InvalidArgument(fmt::format("cannot write the tensor {} twice", displayed(name)));
    }
  }
  const std::string json = format_safetensors_header(header_);
  if (static_cast<std::int64_t>(json.size()) > kMaxHeaderBytes) {
    throw InvalidArgument(
        fmt::format("cannot write '{}': its header has {} bytes, and at most {} "
                    "are allowed",
                    path.string(), json.size(), kMaxHeaderBytes));
  }
  file_.append(little_endian(json.size()));
  file_.append(bytes_of(json));
  data_begin_ = file_.size();
}

void SafetensorsWriter::append(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = progress_.find(name);
  if (found == progress_.end()) {
    throw InvalidArgument(fmt::format("cannot write the tensor {} of '{}': it was not declared",
                                      displayed(name), file_.path().string()));
  }
  Progress& progress = found->second;
  const TensorInfo& tensor = header_.tensors[progress.index];
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size > tensor.bytes - progress.written_bytes) {
    throw InvalidArgument(fmt::format(
        "cannot add {} bytes to the tensor {} of '{}': {} of its {} "
        "are written",
        size, displayed(name), file_.path().string(), progress.written_bytes, tensor.bytes));
  }
  file_.write_at(data_begin_ + tensor.begin + progress.written_bytes, bytes);
  progress.written_bytes += size;
}

void SafetensorsWriter::finish() {
  for (const auto& [name, progress] : progress_) {
    const TensorInfo& tensor = header_.tensors[progress.index];
    if (progress.written_bytes != tensor.bytes) {
      throw InvalidArgument(fmt::format(
          "cannot finish '{}': {} of the {} bytes of the tensor {} "
          "are written",
          file_.path().string(), progress.written_bytes, tensor.bytes, displayed(name)));
    }
  }
  file_.commit();
}

}  // namespace softmoe::storage
