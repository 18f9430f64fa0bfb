// Reading a header. It is input from strangers, so nothing is assumed: the parser below knows the
// four levels that a header can have and refuses everything else where it stands.

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "runtime/storage/safetensors.h"

namespace softmoe::storage {
namespace {

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();

[[noreturn]] void refuse(std::string_view file, const std::string& rule) {
  throw StorageError(StorageError::Kind::bad_format,
                     fmt::format("'{}' is not a safetensors file: {}", file, rule));
}

/// Turns the events of nlohmann's parser into a header. An event handler returns true to go on; a
/// broken rule throws.
class HeaderHandler {
 public:
  explicit HeaderHandler(std::string_view file) : file_(file) {}

  [[nodiscard]] SafetensorsHeader take() { return std::move(header_); }

  bool null() { return refuse_value("null"); }
  bool boolean(bool) { return refuse_value("a truth value"); }
  bool number_integer(std::int64_t) { return refuse_value("a negative number"); }
  bool number_float(double, const std::string&) {
    return refuse_value("a number that is no 64-bit integer");
  }
  bool binary(std::vector<std::uint8_t>&) { return refuse_value("binary data"); }

  bool number_unsigned(std::uint64_t value) {
    if (level_ != Level::shape && level_ != Level::offsets) return refuse_value("a number");
    if (value > static_cast<std::uint64_t>(kMaxInt64)) {
      refuse_tensor(fmt::format("the number {} is too large", value));
    }
    std::vector<std::int64_t>& target = level_ == Level::shape ? tensor_.dims : offsets_;
    const std::size_t limit = level_ == Level::shape ? kMaxTensorDims : 2;
    if (target.size() == limit) {
      refuse_tensor(fmt::format("{} has more than {} numbers", field_, limit));
    }
    target.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool string(std::string& text) {
    if (level_ == Level::metadata) {
      const bool is_new = header_.metadata.emplace(metadata_key_, text).second;
      if (!is_new)
        refuse(file_, fmt::format("the metadata has {} twice", displayed(metadata_key_)));
      return true;
    }
    if (level_ != Level::tensor || field_ != "dtype") return refuse_value("a text");
    if (!bits_of_safetensors(text)) {
      refuse_tensor(fmt::format("the format has no element type {}", displayed(text)));
    }
    tensor_.dtype_name = text;
    tensor_.dtype = dtype_of_safetensors(text);
    return true;
  }

  bool start_object(std::size_t) {
    switch (level_) {
      case Level::outside:
        level_ = Level::file;
        return true;
      case Level::file:
        level_ = name_ == "__metadata__" ? Level::metadata : Level::tensor;
        break;
      default:
        return refuse_value("an object");
    }
    if (level_ == Level::tensor) start_tensor();
    return true;
  }

  bool key(std::string& text) {
    if (level_ == Level::file) {
      name_ = text;
      if (name_ == "__metadata__" && std::exchange(has_metadata_, true)) {
        refuse(file_, "it has __metadata__ twice");
      }
      if (name_.size() > kMaxTensorNameBytes) {
        refuse(file_, fmt::format("the name {} has {} bytes, and at most {} are allowed",
                                  displayed(name_), name_.size(), kMaxTensorNameBytes));
      }
    } else if (level_ == Level::metadata) {
      metadata_key_ = text;
    } else {
      field_ = text;
      start_field();
    }
    return true;
  }

  bool end_object() {
    if (level_ == Level::tensor) end_tensor();
    level_ = level_ == Level::file ? Level::outside : Level::file;
    return true;
  }

  bool start_array(std::size_t) {
    const bool fits = level_ == Level::tensor && (field_ == "shape" || field_ == "data_offsets");
    if (!fits) return refuse_value("a list");
    level_ = field_ == "shape" ? Level::shape : Level::offsets;
    return true;
  }

  bool end_array() {
    level_ = Level::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    refuse(file_, fmt::format("its header is not JSON in UTF-8, at byte {} of it", position));
  }

 private:
  enum class Level { outside, file, metadata, tensor, shape, offsets };

  [[noreturn]] void refuse_tensor(const std::string& rule) {
    refuse(file_, fmt::format("tensor {}: {}", displayed(name_), rule));
  }

  bool refuse_value(std::string_view what) {
    switch (level_) {
      case Level::outside:
        refuse(file_, fmt::format("its header is {}, not an object", what));
      case Level::metadata:
        refuse(file_, fmt::format("the metadata {} is {}, and only texts are allowed",
                                  displayed(metadata_key_), what));
      case Level::file:
        refuse(file_, fmt::format("{} is {}, not an object", displayed(name_), what));
      default:
        refuse_tensor(fmt::format("{} is or holds {}", field_, what));
    }
  }

  void start_tensor() {
    if (header_.tensors.size() == kMaxTensors) {
      refuse(file_, fmt::format("it has more than {} tensors", kMaxTensors));
    }
    tensor_ = {};
    tensor_.name = name_;
    offsets_.clear();
    has_dtype_ = has_shape_ = has_offsets_ = false;
  }

  void start_field() {
    bool* const seen = field_ == "dtype"          ? &has_dtype_
                       : field_ == "shape"        ? &has_shape_
                       : field_ == "data_offsets" ? &has_offsets_
                                                  : nullptr;
    if (seen == nullptr)
      refuse_tensor(fmt::format("the format has no entry {}", displayed(field_)));
    if (std::exchange(*seen, true)) refuse_tensor(fmt::format("{} is there twice", field_));
  }

  void end_tensor() {
    if (!has_dtype_ || !has_shape_ || !has_offsets_) {
      refuse_tensor("it lacks one of dtype, shape and data_offsets");
    }
    if (offsets_.size() != 2 || offsets_[0] > offsets_[1]) {
      refuse_tensor("data_offsets is not a begin and an end behind it");
    }
    tensor_.begin = offsets_[0];
    tensor_.bytes = offsets_[1] - offsets_[0];
    check_size();
    header_.tensors.push_back(std::move(tensor_));
  }

  void check_size() {
    std::int64_t bits = *bits_of_safetensors(tensor_.dtype_name);
    for (const std::int64_t extent : tensor_.dims) {
      if (__builtin_mul_overflow(bits, extent, &bits)) refuse_tensor("its shape overflows 64 bits");
    }
    if (bits % 8 != 0) refuse_tensor(fmt::format("its {} bits are no whole bytes", bits));
    if (bits / 8 != tensor_.bytes) {
      refuse_tensor(fmt::format("data_offsets span {} bytes, but dtype and shape make {}",
                                tensor_.bytes, bits / 8));
    }
  }

  std::string_view file_;
  SafetensorsHeader header_;
  Level level_ = Level::outside;
  std::string name_;
  std::string metadata_key_;
  std::string field_;
  TensorInfo tensor_;
  std::vector<std::int64_t> offsets_;
  bool has_metadata_ = false;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
};

void refuse_duplicates(const std::vector<TensorInfo>& tensors, std::string_view file) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end())
    refuse(file, fmt::format("it has the tensor {} twice", displayed(*twin)));
}

void refuse_gaps(const std::vector<TensorInfo>& tensors, std::string_view file) {
  std::int64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.begin != end) {
      refuse(file,
             fmt::format("tensor {} begins at byte {} of the data, {} the byte {} at which the "
                         "tensors before it end",
                         displayed(tensor.name), tensor.begin,
                         tensor.begin < end ? "ahead of" : "behind", end));
    }
    end += tensor.bytes;
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view file) {
  if (json.empty() || json.front() != '{') refuse(file, "its header does not begin with '{'");
  // nlohmann's parser takes a zero byte for the end of its input and would not see what follows.
  if (json.find('\0') != std::string_view::npos) refuse(file, "its header holds a zero byte");
  HeaderHandler handler(file);
  nlohmann::json::sax_parse(json, &handler);
  SafetensorsHeader header = handler.take();
  refuse_duplicates(header.tensors, file);
  // Empty tensors share their begin with the next one; the end puts them first.
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) {
              return std::tie(a.begin, a.bytes, a.name) < std::tie(b.begin, b.bytes, b.name);
            });
  refuse_gaps(header.tensors, file);
  return header;
}

}  // namespace softmoe::storage
