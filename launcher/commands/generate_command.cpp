#include <fmt/format.h>

#include "launcher/commands/command.h"
#include "launcher/run/loaded_model.h"
#include "launcher/run/together.h"
#include "launcher/run/token_data.h"
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

/// @throws ConfigError naming the flag and the cure
training::SamplingConfig sampling_of(const GenerateOptions& options) {
  const training::SamplingConfig sampling{
      .temperature = options.temperature, .top_p = options.top_p, .seed = options.seed};
  try {
    [[maybe_unused]] const training::Sampler sampler(sampling);
  } catch (const InvalidArgument& error) {
    throw ConfigError(fmt::format("{} (--temperature, --top-p)", error.what()));
  }
  return sampling;
}

/// @throws ConfigError with the cure if the model has no room for so much text
void check_room(const GenerateOptions& options, std::int64_t prompt_tokens,
                const model::ModelConfig& model) {
  // The last token is drawn, and never read.
  const std::int64_t room = model.positions + 1 - prompt_tokens;
  if (options.tokens <= room) return;
  const std::string cure =
      room > 0 ? fmt::format("give --tokens {} or less, or a shorter prompt", room)
               : fmt::format("give a prompt that is shorter by {} tokens or more", 1 - room);
  throw ConfigError(
      fmt::format("cannot write {} tokens behind a prompt of {} (with the begin of the document): "
                  "the model has {} positions; {}",
                  options.tokens, prompt_tokens, model.positions, cure));
}

/// What rank 0 reads, and every rank has to agree on.
struct Task {
  Tokenizer tokenizer;
  training::GenerationRequest request;
};

Task open_task(const GenerateOptions& options, LoadedModel& loaded) {
  Task task{.tokenizer = open_tokenizer(loaded), .request = {}};
  task.request = {.prompts = {},
                  .max_tokens = options.tokens,
                  .end_of_document = task.tokenizer.pieces.end_of_document(),
                  .sampling = sampling_of(options)};
  if (loaded.session().is_root()) {
    const training::TokenIds prompt = encode(task.tokenizer, options.prompt);
    check_room(options, std::ssize(prompt), loaded.config().model);
    task.request.prompts.push_back(prompt);
  }
  return task;
}

}  // namespace

ExitCode generate(const GenerateOptions& options) {
  LoadedModel loaded({.path = options.model,
                      .overrides = options.overrides,
                      .expect_world = options.expect_world});
  const bool is_root = loaded.session().is_root();
  const Task task = together(loaded.session(), [&] { return open_task(options, loaded); });
  if (is_root) fmt::print("{}", options.prompt);
  const training::GenerationParts parts{.model = loaded.model(),
                                        .world = loaded.session().world(),
                                        .work = loaded.session().work(),
                                        .seed = loaded.info().routing.seed};
  const auto print = [&](const training::WrittenToken& written) {
    if (!is_root) return;
    fmt::print("{}", text_of(task.tokenizer.pieces, {&written.token, 1}));
    std::fflush(stdout);
  };
  const auto continuations =
      training::generate(parts, task.request, loaded.info().routing.control(), print);
  if (is_root) fmt::print("\n[{} tokens]\n", continuations[0].size());
  return ExitCode::done;
}

}  // namespace softmoe::launcher
