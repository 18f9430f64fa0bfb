#include <fmt/format.h>

#include "launcher/commands/command.h"
#include "launcher/run/loaded_model.h"
#include "training/corpus/corpus_info.h"
#include "training/corpus/piece_table.h"
#include "training/corpus/text_encoder.h"
#include "training/corpus/tokenizer_process.h"
#include "training/generation.h"

namespace softmoe::launcher {

namespace {

/// The tokenizer that the model was trained with.
struct Tokenizer {
  training::PieceTable pieces;
  storage::Path model;  ///< of bpe
};

Tokenizer open_tokenizer(LoadedModel& loaded) {
  const storage::Path folder = loaded.config().data.corpus;
  if (folder.empty()) {
    throw ConfigError(
        "this model was trained on bare token files, so its tokens cannot be turned into text: "
        "name a corpus of the same tokenizer with data.corpus=...");
  }
  Tokenizer tokenizer{
      .pieces = training::PieceTable::load(loaded.files(), folder / training::kPieceTableFile),
      .model = folder / training::kTokenizerModelFile};
  const std::string& expected = loaded.info().tokenizer_hash;
  if (!expected.empty() && tokenizer.pieces.hash() != expected) {
    throw ConfigError(fmt::format(
        "{} has the tokenizer {}, but the model was trained with {}: name its corpus with "
        "data.corpus=...",
        folder.string(), tokenizer.pieces.hash(), expected));
  }
  return tokenizer;
}

training::TokenIds encode(const Tokenizer& tokenizer, const std::string& prompt) {
  // A prompt begins a document, and so stands behind the end of another.
  training::TokenIds ids = {tokenizer.pieces.end_of_document()};
  std::unique_ptr<training::TextEncoder> encoder;
  if (tokenizer.pieces.tokenizer() == "bytes") {
    encoder = std::make_unique<training::ByteEncoder>();
  } else {
    encoder = std::make_unique<training::TokenizerProcess>(
        training::TokenizerSettings{.program = training::tokenizer_program()}, tokenizer.model);
  }
  for (const std::int32_t id : encoder->encode(prompt)) ids.push_back(id);
  return ids;
}

}  // namespace

ExitCode generate(const GenerateOptions& options) {
  LoadedModel loaded({.path = options.model,
                      .overrides = options.overrides,
                      .expect_world = options.expect_world});
  const bool is_root = loaded.session().is_root();
  const Tokenizer tokenizer = open_tokenizer(loaded);
  training::GenerationRequest request{
      .prompts = {},
      .max_tokens = options.tokens,
      .end_of_document = tokenizer.pieces.end_of_document(),
      .sampling = {
          .temperature = options.temperature, .top_p = options.top_p, .seed = options.seed}};
  if (is_root) {
    request.prompts.push_back(encode(tokenizer, options.prompt));
    fmt::print("{}", options.prompt);
  }
  const training::GenerationParts parts{.model = loaded.model(),
                                        .world = loaded.session().world(),
                                        .work = loaded.session().work(),
                                        .seed = loaded.info().routing.seed};
  const auto print = [&](const training::WrittenToken& written) {
    if (!is_root) return;
    fmt::print("{}", tokenizer.pieces.text_of(written.token));
    std::fflush(stdout);
  };
  const auto continuations =
      training::generate(parts, request, loaded.info().routing.control(), print);
  if (is_root) fmt::print("\n[{} tokens]\n", continuations[0].size());
  return ExitCode::done;
}

}  // namespace softmoe::launcher
