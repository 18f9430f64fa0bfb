#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/trainer.h"

namespace softmoe::tokenizer {

struct HelpCommand {};

struct TrainCommand {
  std::vector<std::string> inputs;  ///< files, or "-" for standard input
  std::string output;               ///< the model becomes OUTPUT.model
  TrainingOptions options;
};

struct EncodeCommand {
  std::string model;
};

struct ExportCommand {
  std::string model;
  std::string output;
};

using Command = std::variant<HelpCommand, TrainCommand, EncodeCommand, ExportCommand>;

/// What the command line asks for.
/// @param arguments  without the program's name.
/// @throws Failure (usage) naming the argument and what is allowed in its place.
[[nodiscard]] Command parse(std::span<const std::string_view> arguments);

/// The text of --help.
[[nodiscard]] std::string_view help_text();

}  // namespace softmoe::tokenizer
