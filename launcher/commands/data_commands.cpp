#include <fmt/format.h>

#include <map>

#include "launcher/commands/command.h"
#include "runtime/storage/posix_file_system.h"
#include "training/corpus/corpus_builder.h"
#include "training/corpus/corpus_inspection.h"

namespace softmoe::launcher {

namespace {

training::TokenizerKind tokenizer_named(const std::string& name) {
  if (name == "bpe") return training::TokenizerKind::bpe;
  if (name == "bytes") return training::TokenizerKind::bytes;
  throw ConfigError(fmt::format("unknown tokenizer '{}': use bpe or bytes", name));
}

void print_progress(const training::CorpusProgress& progress) {
  // Every tenth part of a phase is news enough for a log.
  static constexpr std::int64_t kParts = 10;
  if (progress.documents == 0) return;
  const bool is_part = progress.documents_done == progress.documents ||
                       progress.documents_done % (progress.documents / kParts + 1) == 0;
  if (!is_part) return;
  static const std::map<training::CorpusProgress::Phase, const char*> kNames = {
      {training::CorpusProgress::Phase::read, "reading"},
      {training::CorpusProgress::Phase::train_tokenizer, "training the tokenizer"},
      {training::CorpusProgress::Phase::encode, "encoding"}};
  fmt::print("{}: {} of {} documents, {:.1f} MB\n", kNames.at(progress.phase),
             progress.documents_done, progress.documents,
             static_cast<double>(progress.bytes_done) * 1e-6);
  std::fflush(stdout);
}

void print_split(const char* name, const training::SplitInfo& split) {
  fmt::print("  {:<11} {:>10} tokens  {:>6} documents  {:>10} bytes  {:.2f} bytes/token\n", name,
             split.tokens, split.documents, split.bytes,
             static_cast<double>(split.bytes) /
                 static_cast<double>(std::max<std::int64_t>(split.tokens, 1)));
}

void print_info(const training::CorpusInfo& info) {
  fmt::print("corpus '{}' from {}\n", info.name, info.source);
  fmt::print("  tokenizer   {} {} with {} pieces; end of document is {}\n", info.tokenizer,
             info.tokenizer_hash, info.vocab_size, info.end_of_document);
  print_split("train", info.train);
  print_split("validation", info.validation);
}

}  // namespace

ExitCode build_data(const DataBuildOptions& options) {
  storage::PosixFileSystem files;
  training::CorpusOptions corpus;
  corpus.source = options.from;
  corpus.output = options.to;
  corpus.tokenizer = tokenizer_named(options.tokenizer);
  corpus.vocab_size = options.vocabulary;
  corpus.validation_fraction = options.validation;
  print_info(training::build_corpus(files, corpus, print_progress));
  fmt::print("written to {}\n", options.to);
  return ExitCode::done;
}

ExitCode inspect_data(const std::string& path) {
  storage::PosixFileSystem files;
  const training::CorpusInspection found = training::inspect(files, path, {});
  if (found.info) print_info(*found.info);
  for (const training::TokenFileSummary& file : found.token_files) {
    fmt::print("  {:<32} {:>10} tokens, {} documents\n", file.name, file.tokens, file.documents);
  }
  fmt::print("{} tokens, {} different ids, the largest {}\n", found.tokens, found.distinct_ids,
             found.largest_id);
  fmt::print("most frequent:\n");
  for (const training::IdCount& each : found.most_frequent) {
    fmt::print("  {:>6}  {:>9}  {:5.2f} %  '{}'\n", each.id, each.count,
               100.0 * static_cast<double>(each.count) / static_cast<double>(found.tokens),
               each.text);
  }
  if (!found.sample.empty()) fmt::print("begins with:\n{}\n", found.sample);
  return ExitCode::done;
}

}  // namespace softmoe::launcher
