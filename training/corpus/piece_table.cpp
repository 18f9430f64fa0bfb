#include "training/corpus/piece_table.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "tokenizer/fingerprint.h"

namespace softmoe::training {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "softmoe-pieces";
constexpr int kVersion = 1;
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581, a space inside a normal piece
constexpr std::int64_t kMaxTableBytes = std::int64_t{1} << 28;

}  // namespace

std::string_view PieceTable::name_of(Type type) {
  switch (type) {
    case Type::normal:
      return "normal";
    case Type::byte:
      return "byte";
    case Type::control:
      return "control";
    case Type::unknown:
      return "unknown";
  }
  return "?";
}

PieceTable::Type PieceTable::type_named(std::string_view name) {
  for (const Type type : {Type::normal, Type::byte, Type::control, Type::unknown}) {
    if (name_of(type) == name) return type;
  }
  throw InvalidArgument(
      fmt::format("the type '{}', but there are normal, byte, control, unknown", name));
}

std::string PieceTable::text_behind(Type type, std::string_view name) {
  if (type == Type::control || type == Type::unknown) return {};
  if (type == Type::byte) {
    unsigned value = 0;
    const bool framed = name.size() == 6 && name.starts_with("<0x") && name.ends_with(">");
    const auto parsed = std::from_chars(name.data() + 3, name.data() + (framed ? 5 : 3), value, 16);
    if (!framed || parsed.ptr != name.data() + 5) {
      throw InvalidArgument(fmt::format("the byte '{}', but bytes are <0x00> to <0xFF>", name));
    }
    return std::string(1, static_cast<char>(value));
  }
  std::string text;
  while (!name.empty()) {
    const std::size_t plain = std::min(name.find(kSpaceMark), name.size());
    text += name.substr(0, plain);
    name.remove_prefix(plain);
    if (!name.empty()) {
      text.push_back(' ');
      name.remove_prefix(kSpaceMark.size());
    }
  }
  return text;
}

void PieceTable::add(Type type, std::string name) {
  std::string text = text_behind(type, name);
  pieces_.push_back({.type = type, .name = std::move(name), .text = std::move(text)});
}

PieceTable PieceTable::bytes() {
  PieceTable table;
  table.tokenizer_ = "bytes";
  table.hash_ = fmt::format("{:016x}", tokenizer::fingerprint("softmoe bytes 257"));
  table.end_of_document_ = 256;
  for (int byte = 0; byte < 256; ++byte) table.add(Type::byte, fmt::format("<0x{:02X}>", byte));
  table.add(Type::control, "</s>");
  return table;
}

PieceTable PieceTable::from_json(std::string_view json, const std::string& origin) {
  const auto refuse = [&](const std::string& why) {
    throw StorageError(StorageError::Kind::bad_format,
                       fmt::format("{} is not a piece table: {}; export it again with "
                                   "`softmoe-tokenizer export`",
                                   origin, why));
  };
  PieceTable table;
  try {
    const Json document = Json::parse(json);
    if (document.at("format") != kFormat || document.at("version") != kVersion) {
      refuse(fmt::format("it should be {} version {}", kFormat, kVersion));
    }
    document.at("tokenizer").get_to(table.tokenizer_);
    document.at("hash").get_to(table.hash_);
    document.at("end_of_document").get_to(table.end_of_document_);
    for (const Json& piece : document.at("pieces")) {
      if (piece.at("id") != table.vocab_size()) {
        refuse(fmt::format("the piece with id {} stands at place {}", piece.at("id").dump(),
                           table.vocab_size()));
      }
      table.add(type_named(piece.at("type").get<std::string>()),
                piece.at("piece").get<std::string>());
    }
  } catch (const Json::exception& error) {
    refuse(error.what());
  } catch (const InvalidArgument& error) {
    refuse(fmt::format("piece {} has {}", table.vocab_size(), error.what()));
  }
  const bool has_end = table.end_of_document_ >= 0 && table.end_of_document_ < table.vocab_size();
  if (!has_end ||
      table.pieces_[static_cast<std::size_t>(table.end_of_document_)].type != Type::control) {
    refuse(fmt::format("its end of document, {}, is not the id of a control piece",
                       table.end_of_document_));
  }
  return table;
}

PieceTable PieceTable::load(storage::FileSystem& files, const storage::Path& path) {
  return from_json(storage::read_text(files, path, kMaxTableBytes), path.string());
}

std::string PieceTable::to_json() const {
  Json pieces = Json::array();
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    pieces.push_back(
        {{"id", id}, {"type", name_of(pieces_[id].type)}, {"piece", pieces_[id].name}});
  }
  const Json document = {{"format", kFormat},
                         {"version", kVersion},
                         {"tokenizer", tokenizer_},
                         {"hash", hash_},
                         {"end_of_document", end_of_document_},
                         {"pieces", pieces}};
  return document.dump(1) + "\n";
}

std::string_view PieceTable::text_of(std::int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw InvalidArgument(fmt::format("cannot decode the token id {}: the vocabulary has {} pieces",
                                      id, vocab_size()));
  }
  return pieces_[static_cast<std::size_t>(id)].text;
}

std::string PieceTable::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) text += text_of(id);
  return text;
}

}  // namespace softmoe::training
