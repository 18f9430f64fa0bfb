#include "training/corpus/tokenizer_process.h"

#include <fmt/format.h>

#include <filesystem>

#include "runtime/base/narrow.h"

namespace softmoe::training {

storage::Path tokenizer_program() {
  std::error_code error;
  const storage::Path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const storage::Path program = self.parent_path() / "softmoe-tokenizer";
  if (error || !std::filesystem::exists(program, error)) {
    throw ConfigError(
        fmt::format("there is no {}: build the target `softmoe-tokenizer`, install it beside "
                    "`softmoe`, or use the tokenizer `bytes`",
                    program.string()));
  }
  return program;
}

TokenizerProcess::TokenizerProcess(const TokenizerSettings& settings, const storage::Path& model)
    : process_(settings.program, {"encode", "--model", model.string()}), limit_(settings.limit) {
  std::string bytes(tokenizer::kGreetingBytes, '\0');
  process_.receive(bytes, Deadline::in(limit_));
  const auto greeting = tokenizer::decode_greeting(bytes);
  if (!greeting) {
    throw ConfigError(
        fmt::format("{} does not speak version {} of the tokenizer protocol: it is from another "
                    "build; install both programs from the same one",
                    settings.program.string(), tokenizer::kProtocolVersion));
  }
  greeting_ = *greeting;
}

std::vector<std::int32_t> TokenizerProcess::encode(std::string_view text) {
  if (text.size() > tokenizer::kMaxDocumentBytes) {
    throw InvalidArgument(
        fmt::format("cannot encode a text of {} bytes: at most {} are taken; split it", text.size(),
                    tokenizer::kMaxDocumentBytes));
  }
  const Deadline deadline = Deadline::in(limit_);
  std::string length;
  tokenizer::put_u32(length, narrow<std::uint32_t>(text.size()));
  process_.send(length, deadline);
  process_.send(text, deadline);

  answer_.resize(4);
  process_.receive(answer_, deadline);
  const std::uint32_t count = tokenizer::get_u32(answer_);
  expect(count <= text.size(), "the tokenizer gives at most one id a byte");
  answer_.resize(4 * std::size_t{count});
  process_.receive(answer_, deadline);
  std::vector<std::int32_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t id = tokenizer::get_u32(std::string_view(answer_).substr(4 * i));
    expect(id < greeting_.vocab_size, "the tokenizer gives ids of its vocabulary");
    ids[i] = static_cast<std::int32_t>(id);
  }
  return ids;
}

std::string TokenizerProcess::hash() const {
  return fmt::format("{:016x}", greeting_.fingerprint);
}

void TokenizerProcess::finish() {
  process_.finish(Deadline::in(limit_));
}

void train_tokenizer(const TokenizerSettings& settings, std::string_view text, int vocab_size,
                     const storage::Path& output) {
  ChildProcess process(settings.program, {"train", "--input", "-", "--vocab-size",
                                          std::to_string(vocab_size), "--output", output.string()});
  const Deadline deadline = Deadline::in(settings.limit);
  process.send(text, deadline);
  process.finish(deadline);
}

void export_piece_table(const TokenizerSettings& settings, const storage::Path& model,
                        const storage::Path& output) {
  ChildProcess process(settings.program,
                       {"export", "--model", model.string(), "--output", output.string()});
  process.finish(Deadline::in(settings.limit));
}

}  // namespace softmoe::training
