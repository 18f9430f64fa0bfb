#pragma once

// What `softmoe doctor` says about one thing.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::launcher {

enum class Verdict : std::uint8_t {
  ok,
  warn,  ///< a run may start, and be slow or hard to follow
  fail,  ///< a run would fail or hang
};
[[nodiscard]] std::string_view name_of(Verdict verdict);

struct Finding {
  Verdict verdict = Verdict::ok;
  std::string what;
  std::string found;
  std::string cure;  ///< empty if nothing is to be done
};
using Findings = std::vector<Finding>;

/// One line each: verdict, what, found, and the cure behind an arrow; then how many there are.
[[nodiscard]] std::string findings_text(std::span<const Finding> findings);
/// {"findings": [{"verdict", "what", "found", "cure"}, ...], "fail": n, "warn": n} on one line.
[[nodiscard]] std::string findings_json(std::span<const Finding> findings);
[[nodiscard]] bool has_failure(std::span<const Finding> findings);

}  // namespace softmoe::launcher
