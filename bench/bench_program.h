#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "bench/shape.h"

namespace softmoe::bench {

/// Adds --shape, --config, --routing and key=value.
void add_shape_options(CLI::App& app, ShapeChoice& choice);

/// Parses a command line. @return what the program ends with, if it ends here
[[nodiscard]] std::optional<int> parse(CLI::App& app, int argc, char** argv);

/// Runs what a bench does on this rank, and reports what it throws.
/// @return the exit code, as docs/exit_codes.md has it; after an error the process leaves at once,
///         since peers may wait for it
[[nodiscard]] int run_bench(const std::string& program, const std::function<void()>& action);

}  // namespace softmoe::bench
