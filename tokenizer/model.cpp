#include "tokenizer/model.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>

#include "tokenizer/failure.h"
#include "tokenizer/fingerprint.h"
#include "tokenizer/special_characters.h"
#include "tokenizer/utf8.h"

namespace softmoe::tokenizer {
namespace {

// Beyond these a word is encoded each time: rare long strings would fill the memory for nothing.
constexpr std::size_t kMaxKnownWords = 1 << 20;
constexpr std::size_t kMaxKnownWordBytes = 64;

[[noreturn]] void refuse(const std::string& origin, std::string_view why) {
  throw Failure(ExitCode::bad_data,
                fmt::format("{} {}; make one with `softmoe-tokenizer train`", origin, why));
}

/// A space mark after another character: then words are not independent of each other.
bool has_inner_space(std::string_view piece) {
  while (piece.starts_with(kSpaceMark)) piece.remove_prefix(kSpaceMark.size());
  return piece.find(kSpaceMark) != std::string_view::npos;
}

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

std::string_view type_of(const sentencepiece::SentencePieceProcessor& processor, int id) {
  if (processor.IsUnknown(id)) return "unknown";
  if (processor.IsControl(id)) return "control";
  if (processor.IsByte(id)) return "byte";
  return "normal";
}

}  // namespace

Model::Model(const std::string& bytes, const std::string& origin)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()),
      fingerprint_(tokenizer::fingerprint(bytes)) {
  const auto status = processor_->LoadFromSerializedProto(bytes);
  if (!status.ok())
    refuse(origin, fmt::format("is not a sentencepiece model ({})", status.message()));
  check_pieces(origin);
  check_losslessness(origin);
}

Model::~Model() = default;

int Model::vocab_size() const {
  return processor_->GetPieceSize();
}

std::int32_t Model::end_of_document() const {
  return processor_->eos_id();
}

void Model::check_pieces(const std::string& origin) {
  if (processor_->eos_id() < 0) refuse(origin, "has no end-of-document piece </s>");
  for (int byte = 0; byte < 256; ++byte) {
    const int id = processor_->PieceToId(fmt::format("<0x{:02X}>", byte));
    if (!processor_->IsByte(id)) refuse(origin, "has no byte fallback");
    byte_id_[byte] = id;
  }
  for (int id = 0; id < vocab_size(); ++id) {
    if (type_of(*processor_, id) == "normal" && has_inner_space(processor_->IdToPiece(id))) {
      refuse(origin,
             fmt::format("has a space inside its piece {} ({})", id, processor_->IdToPiece(id)));
    }
  }
}

void Model::check_losslessness(const std::string& origin) {
  // Changed by a prefix space, by squeezed or trimmed spaces, and by NFKC in turn.
  for (const std::string probe :
       {"a", " a", "a  b", "a ", "\xef\xac\x81 \xe2\x85\xa3", "e\xcc\x81"}) {
    if (decode(encode(probe)) != probe)
      refuse(origin, "changes the text that it encodes (normalisation)");
  }
}

std::vector<std::int32_t> Model::encode(std::string_view text) {
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 3 + 1);
  while (!text.empty()) {
    std::size_t plain = 0;
    std::size_t spelt = 0;
    while (plain < text.size()) {
      const std::string_view rest = text.substr(plain);
      const std::size_t length = utf8_length(rest);
      spelt = length == 0 ? 1 : reserved_length(rest);
      if (spelt != 0) break;
      plain += length;
    }
    append_words(text.substr(0, plain), ids);
    append_bytes(text.substr(plain, spelt), ids);
    text.remove_prefix(plain + spelt);
  }
  return ids;
}

void Model::append_bytes(std::string_view bytes, std::vector<std::int32_t>& ids) const {
  for (const char c : bytes) ids.push_back(byte_id_[static_cast<unsigned char>(c)]);
}

void Model::append_words(std::string_view text, std::vector<std::int32_t>& ids) {
  while (!text.empty()) {
    const std::size_t letters = std::min(text.find_first_not_of(' '), text.size());
    const std::size_t end = std::min(text.find(' ', letters), text.size());
    append_word(text.substr(0, end), ids);
    text.remove_prefix(end);
  }
}

void Model::append_word(std::string_view word, std::vector<std::int32_t>& ids) {
  if (const auto known = known_words_.find(word); known != known_words_.end()) {
    const auto first = known_ids_.begin() + known->second.begin;
    ids.insert(ids.end(), first, first + known->second.count);
    return;
  }
  std::vector<int> fresh;
  const auto status = processor_->Encode(word, &fresh);
  if (!status.ok()) {
    throw Failure(ExitCode::internal,
                  fmt::format("sentencepiece cannot encode: {}", status.message()));
  }
  ids.insert(ids.end(), fresh.begin(), fresh.end());
  if (known_words_.size() < kMaxKnownWords && word.size() <= kMaxKnownWordBytes) {
    known_words_.emplace(word, Ids{static_cast<std::uint32_t>(known_ids_.size()),
                                   static_cast<std::uint32_t>(fresh.size())});
    known_ids_.insert(known_ids_.end(), fresh.begin(), fresh.end());
  }
}

std::string Model::decode(const std::vector<std::int32_t>& ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    std::string_view piece = processor_->IdToPiece(id);
    if (processor_->IsByte(id)) {
      text.push_back(static_cast<char>(std::stoi(std::string(piece.substr(3, 2)), nullptr, 16)));
      continue;
    }
    for (; piece.starts_with(kSpaceMark); piece.remove_prefix(kSpaceMark.size()))
      text.push_back(' ');
    text += piece;
  }
  return text;
}

std::string Model::piece_table_json() const {
  std::string json = fmt::format(
      "{{\n  \"format\": \"softmoe-pieces\",\n  \"version\": 1,\n  \"tokenizer\": \"bpe\",\n"
      "  \"hash\": \"{:016x}\",\n  \"end_of_document\": {},\n  \"pieces\": [\n",
      fingerprint_, end_of_document());
  for (int id = 0; id < vocab_size(); ++id) {
    json += fmt::format("    {{\"id\": {}, \"type\": \"{}\", \"piece\": {}}}{}\n", id,
                        type_of(*processor_, id), json_string(processor_->IdToPiece(id)),
                        id + 1 < vocab_size() ? "," : "");
  }
  return json + "  ]\n}\n";
}

}  // namespace softmoe::tokenizer
