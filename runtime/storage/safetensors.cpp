#include "runtime/storage/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace softmoe::storage {
namespace {

struct ElementType {
  std::string_view name;
  std::int64_t bits;
  std::optional<DType> dtype = std::nullopt;
};

constexpr std::array kElementTypes = {
    ElementType{"F64", 64, DType::f64},
    ElementType{"F32", 32, DType::f32},
    ElementType{"BF16", 16, DType::bf16},
    ElementType{"I64", 64, DType::i64},
    ElementType{"I32", 32, DType::i32},
    ElementType{"U16", 16, DType::u16},
    ElementType{"BOOL", 8},
    ElementType{"F4", 4},
    ElementType{"F6_E2M3", 6},
    ElementType{"F6_E3M2", 6},
    ElementType{"U8", 8},
    ElementType{"I8", 8},
    ElementType{"F8_E5M2", 8},
    ElementType{"F8_E4M3", 8},
    ElementType{"F8_E8M0", 8},
    ElementType{"F8_E4M3FNUZ", 8},
    ElementType{"F8_E5M2FNUZ", 8},
    ElementType{"I16", 16},
    ElementType{"F16", 16},
    ElementType{"U32", 32},
    ElementType{"U64", 64},
    ElementType{"C64", 64},
};

const ElementType* find_element_type(std::string_view name) {
  const auto found = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                  [&](const ElementType& type) { return type.name == name; });
  return found == kElementTypes.end() ? nullptr : &*found;
}

/// A text as JSON.
std::string json_of(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw InvalidArgument(fmt::format("cannot write {}: it is not UTF-8", displayed(text)));
  }
}

}  // namespace

std::string_view safetensors_name_of(DType dtype) {
  const auto found = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                  [&](const ElementType& type) { return type.dtype == dtype; });
  expect(found != kElementTypes.end(), "every DType has a name in safetensors");
  return found->name;
}

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  const ElementType* const type = find_element_type(name);
  return type == nullptr ? std::nullopt : type->dtype;
}

std::optional<std::int64_t> bits_of_safetensors(std::string_view name) {
  const ElementType* const type = find_element_type(name);
  return type == nullptr ? std::nullopt : std::optional(type->bits);
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  std::vector<std::string> members;
  if (!header.metadata.empty()) {
    std::vector<std::string> entries;
    for (const auto& [key, value] : header.metadata) {
      entries.push_back(json_of(key) + ":" + json_of(value));
    }
    members.push_back(fmt::format(R"("__metadata__":{{{}}})", fmt::join(entries, ",")));
  }
  for (const TensorInfo& tensor : header.tensors) {
    members.push_back(fmt::format(
        R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", json_of(tensor.name),
        tensor.dtype_name, fmt::join(tensor.dims, ","), tensor.begin, tensor.begin + tensor.bytes));
  }
  std::string json = fmt::format("{{{}}}", fmt::join(members, ","));
  json.append((8 - json.size() % 8) % 8, ' ');
  return json;
}

std::string displayed(std::string_view name) {
  constexpr std::size_t kMaxShown = 80;
  std::string text = "'";
  for (const char c : name.substr(0, kMaxShown)) {
    const bool printable = c >= ' ' && c <= '~';
    text += printable ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text + (name.size() > kMaxShown ? "'..." : "'");
}

}  // namespace softmoe::storage
