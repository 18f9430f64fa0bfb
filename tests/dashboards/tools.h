#pragma once

// The programs of other people that these tests run.

#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/run_program.h"

namespace softmoe::test {

enum class Tool : std::uint8_t { python, promtool, prometheus };

/// Where it is; empty: not on this machine.
[[nodiscard]] std::string path_of(Tool tool);

/// Whether it is there. If not, the test is skipped with the cure, or fails where CI=true: the
/// caller returns.
[[nodiscard]] bool has_tool(Tool tool);

/// Runs it with arguments and waits.
[[nodiscard]] Ended run_tool(Tool tool, const std::vector<std::string>& arguments,
                             const std::filesystem::path& directory);

}  // namespace softmoe::test
