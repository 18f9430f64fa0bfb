#include "tokenizer/arguments.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "tokenizer/failure.h"

namespace softmoe::tokenizer {
namespace {

using Values = std::map<std::string_view, std::vector<std::string_view>>;

[[noreturn]] void misuse(const std::string& problem) {
  throw Failure(ExitCode::usage, problem + "; see `softmoe-tokenizer --help`");
}

/// Collects `--option value...`; an option takes all that follows up to the next one.
Values collect(std::string_view verb, std::span<const std::string_view> arguments,
               std::span<const std::string_view> allowed) {
  Values values;
  std::string_view option;
  for (const std::string_view argument : arguments) {
    if (!argument.starts_with("--")) {
      if (option.empty()) misuse(fmt::format("`{}` does not take '{}' by itself", verb, argument));
      values[option].push_back(argument);
      continue;
    }
    option = argument;
    if (std::find(allowed.begin(), allowed.end(), option) == allowed.end()) {
      misuse(
          fmt::format("`{}` has no option {}; it has {}", verb, option, fmt::join(allowed, ", ")));
    }
    if (!values.try_emplace(option).second && option != "--input") {
      misuse(fmt::format("{} is given twice", option));
    }
  }
  for (const auto& [name, given] : values) {
    if (given.empty()) misuse(fmt::format("{} wants a value", name));
    if (given.size() > 1 && name != "--input") misuse(fmt::format("{} wants one value", name));
  }
  return values;
}

std::string wanted(std::string_view verb, const Values& values, std::string_view option) {
  const auto found = values.find(option);
  if (found == values.end()) misuse(fmt::format("`{}` wants {}", verb, option));
  return std::string(found->second.front());
}

template <class Number>
void read_number(const Values& values, std::string_view option, Number& number) {
  const auto found = values.find(option);
  if (found == values.end()) return;
  const std::string_view text = found->second.front();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    misuse(fmt::format("{} wants a number, not '{}'", option, text));
  }
}

TrainCommand parse_train(std::span<const std::string_view> arguments) {
  constexpr std::string_view kAllowed[] = {"--input", "--vocab-size", "--output",
                                           "--character-coverage"};
  const Values values = collect("train", arguments, kAllowed);
  TrainCommand command;
  (void)wanted("train", values, "--input");
  (void)wanted("train", values, "--vocab-size");
  for (const std::string_view input : values.at("--input")) command.inputs.emplace_back(input);
  command.output = wanted("train", values, "--output");
  read_number(values, "--vocab-size", command.options.vocab_size);
  read_number(values, "--character-coverage", command.options.character_coverage);
  return command;
}

EncodeCommand parse_encode(std::span<const std::string_view> arguments) {
  constexpr std::string_view kAllowed[] = {"--model"};
  return {.model = wanted("encode", collect("encode", arguments, kAllowed), "--model")};
}

ExportCommand parse_export(std::span<const std::string_view> arguments) {
  constexpr std::string_view kAllowed[] = {"--model", "--output"};
  const Values values = collect("export", arguments, kAllowed);
  return {.model = wanted("export", values, "--model"),
          .output = wanted("export", values, "--output")};
}

}  // namespace

Command parse(std::span<const std::string_view> arguments) {
  if (arguments.empty()) misuse("what to do? `train`, `encode` or `export`");
  for (const std::string_view argument : arguments) {
    if (argument == "--help" || argument == "-h") return HelpCommand{};
  }
  const std::string_view verb = arguments.front();
  const auto rest = arguments.subspan(1);
  if (verb == "train") return parse_train(rest);
  if (verb == "encode") return parse_encode(rest);
  if (verb == "export") return parse_export(rest);
  misuse(fmt::format("there is no `{}`, only `train`, `encode` and `export`", verb));
}

std::string_view help_text() {
  return R"(softmoe-tokenizer - byte-pair tokenizer of softmoe: train, encode, export

  softmoe-tokenizer train --input FILE... --vocab-size N --output PREFIX [--character-coverage C]
      Learns N pieces from UTF-8 text and writes PREFIX.model. `-` reads standard input. The rarest
      characters (a share of 1 - C, default 0.0005) are spelt in bytes. Equal text, equal model.

  softmoe-tokenizer encode --model MODEL
      Turns documents on standard input into ids on standard output, in the binary protocol of
      tokenizer/protocol.h. Started by `softmoe`; not meant for terminals.

  softmoe-tokenizer export --model MODEL --output FILE
      Writes the piece table as JSON: with it ids are decoded without this program.

Examples
  softmoe-tokenizer train --input a.txt b.txt --vocab-size 4096 --output english
  zcat docs/*.gz | softmoe-tokenizer train --input - --vocab-size 4096 --output docs
  softmoe-tokenizer export --model english.model --output pieces.json

Pieces
  id 0 <unk> (never produced), id 1 </s> (end of a document), then 256 bytes, then the learnt ones.

Exit codes
  0 done, 64 usage, 65 bad data, 66 input missing, 70 internal error, 73 cannot write
)";
}

}  // namespace softmoe::tokenizer
