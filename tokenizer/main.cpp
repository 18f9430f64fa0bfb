#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/arguments.h"
#include "tokenizer/encode_stream.h"
#include "tokenizer/failure.h"
#include "tokenizer/files.h"
#include "tokenizer/model.h"
#include "tokenizer/utf8.h"

namespace softmoe::tokenizer {
namespace {

void run(const HelpCommand&) {
  fmt::print("{}", help_text());
}

std::string read_text(const std::string& path) {
  std::string text = read_input(path);
  if (const std::size_t valid = valid_utf8_prefix(text); valid != text.size()) {
    throw Failure(
        ExitCode::bad_data,
        fmt::format("{} is not UTF-8 at byte {}; convert it, for example with iconv", path, valid));
  }
  return text;
}

void run(const TrainCommand& command) {
  std::string text;
  for (const std::string& input : command.inputs) {
    text += read_text(input);
    text += '\n';
  }
  const std::string bytes = train(text, command.options);
  const std::string path = command.output + ".model";
  const Model model(bytes, path);
  write_output(path, bytes);
  fmt::print("{}: {} pieces from {} bytes of text, hash {:016x}\n", path, model.vocab_size(),
             text.size(), model.fingerprint());
}

void run(const EncodeCommand& command) {
  Model model(read_input(command.model), command.model);
  encode_stream(model, STDIN_FILENO, STDOUT_FILENO);
}

void run(const ExportCommand& command) {
  const Model model(read_input(command.model), command.model);
  write_output(command.output, model.piece_table_json());
}

}  // namespace
}  // namespace softmoe::tokenizer

int main(int argc, char** argv) {
  using namespace softmoe::tokenizer;
  // A reader that went away is an error with a message, not a silent death.
  std::signal(SIGPIPE, SIG_IGN);
  ExitCode code = ExitCode::done;
  try {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    std::visit([](const auto& command) { run(command); }, parse(arguments));
  } catch (const Failure& failure) {
    fmt::print(stderr, "softmoe-tokenizer: {}\n", failure.what());
    code = failure.code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "softmoe-tokenizer: internal error: {}\n", error.what());
    code = ExitCode::internal;
  }
  return static_cast<int>(code);
}
