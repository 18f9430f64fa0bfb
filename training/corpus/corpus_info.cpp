#include "training/corpus/corpus_info.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace softmoe::training {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "softmoe-corpus";
constexpr int kVersion = 1;
constexpr std::int64_t kMaxInfoBytes = std::int64_t{1} << 24;

Json json_of(const SplitInfo& split) {
  return {{"tokens", split.tokens},
          {"documents", split.documents},
          {"bytes", split.bytes},
          {"files", split.files}};
}

SplitInfo split_from(const Json& json) {
  SplitInfo split;
  json.at("tokens").get_to(split.tokens);
  json.at("documents").get_to(split.documents);
  json.at("bytes").get_to(split.bytes);
  json.at("files").get_to(split.files);
  return split;
}

}  // namespace

std::string CorpusInfo::to_json() const {
  const Json json = {{"format", kFormat},
                     {"version", kVersion},
                     {"name", name},
                     {"source", source},
                     {"tokenizer", tokenizer},
                     {"tokenizer_hash", tokenizer_hash},
                     {"vocab_size", vocab_size},
                     {"end_of_document", end_of_document},
                     {"left_out", {{"duplicates", duplicates}, {"empty", empty}}},
                     {"train", json_of(train)},
                     {"validation", json_of(validation)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

CorpusInfo read_corpus_info(storage::FileSystem& files, const storage::Path& folder) {
  const storage::Path path = folder / kCorpusInfoFile;
  const std::string text = storage::read_text(files, path, kMaxInfoBytes);
  const auto refuse = [&](const std::string& why) {
    throw StorageError(
        StorageError::Kind::bad_format,
        fmt::format("{} does not describe a corpus: {}; build it again with `softmoe data build`",
                    path.string(), why));
  };
  CorpusInfo info;
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat || json.at("version") != kVersion) {
      refuse(fmt::format("it should be {} version {}", kFormat, kVersion));
    }
    json.at("name").get_to(info.name);
    json.at("source").get_to(info.source);
    json.at("tokenizer").get_to(info.tokenizer);
    json.at("tokenizer_hash").get_to(info.tokenizer_hash);
    json.at("vocab_size").get_to(info.vocab_size);
    json.at("end_of_document").get_to(info.end_of_document);
    json.at("left_out").at("duplicates").get_to(info.duplicates);
    json.at("left_out").at("empty").get_to(info.empty);
    info.train = split_from(json.at("train"));
    info.validation = split_from(json.at("validation"));
  } catch (const Json::exception& error) {
    refuse(error.what());
  }
  return info;
}

void check_vocabulary(const CorpusInfo& corpus, int model_vocab_size) {
  if (model_vocab_size >= corpus.vocab_size) return;
  throw ConfigError(
      fmt::format("the corpus {} has a vocabulary of {}, the model one of {}: set "
                  "model.vocabulary={} or more",
                  corpus.name, corpus.vocab_size, model_vocab_size, corpus.vocab_size));
}

}  // namespace softmoe::training
