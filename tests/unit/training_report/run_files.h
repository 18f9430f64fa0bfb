#pragma once

// Run folders as tests need them: made of lines, read as a history.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "training/report/page.h"

namespace softmoe::training {

/// One step of `layers` layers with `experts` experts each, all numbers finite.
[[nodiscard]] nlohmann::json step_object(std::int64_t step, int layers, int experts);

/// A folder with a run's files.
class RunFiles {
 public:
  /// Appends to a file of the folder.
  RunFiles& add(const std::string& file, const std::string& text);
  RunFiles& add_steps(int steps, int layers, int experts);

  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }
  [[nodiscard]] RunHistory read() const;

 private:
  TemporaryDirectory folder_;
};

[[nodiscard]] RunFacts some_facts();

/// The first thing that breaks the nesting of elements, or nothing: every element is closed in
/// order, or closes itself; attributes are quoted; no attribute comes twice. Style and script are
/// passed over.
[[nodiscard]] std::string broken_nesting(const std::string& html);

/// Whether `part` is in a page; the page itself is too long for a message.
[[nodiscard]] testing::AssertionResult has(const std::string& page, const std::string& part);
[[nodiscard]] testing::AssertionResult lacks(const std::string& page, const std::string& part);

/// How often `part` is in `text`.
[[nodiscard]] int count_of(const std::string& part, const std::string& text);

}  // namespace softmoe::training
