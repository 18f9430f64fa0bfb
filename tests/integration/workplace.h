#pragma once

// A folder to work in as a user does: texts, a corpus, a configuration, runs.

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/run_program.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::test {

using Words = std::vector<std::string>;

[[nodiscard]] Words operator+(Words words, const Words& more);

/// The whole of a file, and the other way round.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& content);
/// The objects of a .jsonl file. @throws nlohmann::json::exception if a line is none.
[[nodiscard]] std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path);

/// A fresh folder with `texts/`, the corpus `corpus/` (tokenizer bytes, 257 pieces) and
/// `config.yaml`: 2 layers, 8 experts, 32 positions, a vocabulary of 300, 5 steps of 4 lanes.
class Workplace {
 public:
  Workplace();

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return folder_.path() / name;
  }

  /// `softmoe WORDS...` in the folder, alone.
  [[nodiscard]] Ended softmoe(const Words& words) const;
  /// The same as so many ranks.
  [[nodiscard]] Ended on_ranks(int ranks, const Words& words) const;
  /// Either, to be waited for.
  [[nodiscard]] Command alone(const Words& words) const;
  [[nodiscard]] Command by_mpirun(int ranks, const Words& words) const;

  /// Trains with config.yaml into the run folder `run`, and fails the test if that fails.
  void train(const std::string& run, const Words& overrides = {}) const;
  /// The losses of a run, step by step.
  [[nodiscard]] std::vector<double> losses(const std::string& run) const;
  /// The only file of the corpus whose name has `part`.
  [[nodiscard]] std::filesystem::path shard(const std::string& part) const;

 private:
  TemporaryDirectory folder_;
};

/// How often a line begins with `softmoe: `, as each of our errors does.
[[nodiscard]] int count_errors(const Ended& ended);

}  // namespace softmoe::test
