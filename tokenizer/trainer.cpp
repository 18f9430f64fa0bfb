#include "tokenizer/trainer.h"

#include <fmt/format.h>
#include <sentencepiece_trainer.h>

#include <string>
#include <unordered_map>
#include <utility>

#include "tokenizer/failure.h"
#include "tokenizer/special_characters.h"
#include "tokenizer/utf8.h"

namespace softmoe::tokenizer {
namespace {

constexpr std::size_t kMaxLineBytes = 1 << 14;

/// The space and printable ASCII, each on a line of its own.
std::string alphabet_lines() {
  std::string lines;
  for (char c = ' '; c <= '~'; ++c) lines += {c, '\n'};
  return lines;
}

/// Hands out the text in lines, without the characters that sentencepiece keeps for itself: it
/// would skip, silently, every line that holds a tab.
class Lines final : public sentencepiece::SentenceIterator {
 public:
  /// @param text, more  read one after the other; the caller keeps them alive.
  Lines(std::string_view text, std::string_view more) : rest_(text), more_(more) { Next(); }

  [[nodiscard]] bool done() const override { return line_.empty(); }
  [[nodiscard]] const std::string& value() const override { return line_; }
  [[nodiscard]] sentencepiece::util::Status status() const override { return {}; }

  void Next() override {
    while (const std::size_t skip = reserved_length(rest_)) rest_.remove_prefix(skip);
    if (rest_.empty() && !more_.empty()) {
      rest_ = std::exchange(more_, {});
      return Next();
    }
    std::size_t end = 0;
    while (end < rest_.size() && end < kMaxLineBytes && reserved_length(rest_.substr(end)) == 0) {
      end += utf8_length(rest_.substr(end));
    }
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end);
  }

 private:
  std::string_view rest_;
  std::string_view more_;
  std::string line_;
};

std::string printable_ascii() {
  std::string characters(kSpaceMark);
  for (char c = '!'; c <= '~'; ++c) characters.push_back(c);
  return characters;
}

void check(const TrainingOptions& options) {
  if (options.vocab_size < kMinVocabSize || options.vocab_size > kMaxVocabSize) {
    throw Failure(ExitCode::usage,
                  fmt::format("--vocab-size {}: it must be {} to {}, as the bytes and "
                              "printable ASCII always have their pieces",
                              options.vocab_size, kMinVocabSize, kMaxVocabSize));
  }
  if (!(options.character_coverage > 0.9 && options.character_coverage <= 1.0)) {
    throw Failure(ExitCode::usage,
                  fmt::format("--character-coverage {}: it must be above 0.9 and at most 1",
                              options.character_coverage));
  }
}

/// Turns what sentencepiece reports into what the user can do about it.
[[noreturn]] void report(const std::string& problem, const TrainingOptions& options) {
  constexpr std::string_view kLimit = "Please set it to a value <= ";
  if (const auto at = problem.find(kLimit); at != std::string::npos) {
    const std::string limit = problem.substr(at + kLimit.size());
    throw Failure(
        ExitCode::bad_data,
        fmt::format("the text is too small for a vocabulary of {} pieces: it gives at most {}; "
                    "add text or lower the vocabulary size",
                    options.vocab_size, limit.substr(0, limit.find_first_not_of("0123456789"))));
  }
  if (problem.find("required_chars") != std::string::npos) {
    throw Failure(
        ExitCode::bad_data,
        fmt::format("the text has more distinct characters than a vocabulary of {} pieces holds; "
                    "raise the vocabulary size or lower the character coverage ({})",
                    options.vocab_size, options.character_coverage));
  }
  throw Failure(ExitCode::bad_data, "sentencepiece cannot train on this text: " + problem);
}

}  // namespace

std::string train(std::string_view text, const TrainingOptions& options) {
  check(options);
  if (const std::size_t valid = valid_utf8_prefix(text); valid != text.size()) {
    throw Failure(ExitCode::bad_data,
                  fmt::format("the text is not UTF-8 at byte {} of {}", valid, text.size()));
  }
  // sentencepiece aborts if a character that must have its piece does not occur.
  const std::string alphabet = alphabet_lines();
  Lines lines(text, alphabet);

  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(options.vocab_size)},
      {"character_coverage", fmt::format("{}", options.character_coverage)},
      {"required_chars", printable_ascii()},
      {"byte_fallback", "true"},
      {"unk_id", "0"},
      {"eos_id", "1"},
      {"bos_id", "-1"},
      {"pad_id", "-1"},
      {"normalization_rule_name", "identity"},
      {"add_dummy_prefix", "false"},
      {"remove_extra_whitespaces", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"max_sentence_length", std::to_string(2 * kMaxLineBytes)},
      {"num_threads", "1"},
      {"minloglevel", "2"},
  };
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &lines, &model);
  if (!status.ok()) report(status.ToString(), options);
  return model;
}

}  // namespace softmoe::tokenizer
