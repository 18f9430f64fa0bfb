#include "tests/integration/workplace.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace softmoe::test {

namespace {

constexpr const char* kConfig = R"(model:
  vocabulary: 300
  positions: 32
  layers: 2
  hidden: 32
  heads: 2
  kv_heads: 1
  experts: {num_experts: 8, inner: 32}
budget: {total: 4.0}
training: {steps: 5, lanes: 4, lane_sequences: 2, sample_tokens: 8}
data: {corpus: corpus}
)";

/// Texts with a structure that can be learnt and words enough for a small vocabulary.
std::string text_of_document(int number) {
  static const Words kNouns = {"kernel", "scheduler", "driver",  "buffer",
                               "timer",  "interrupt", "process", "socket"};
  static const Words kVerbs = {"reads", "writes", "allocates", "locks",
                               "wakes", "frees",  "maps",      "counts"};
  std::string text;
  for (int line = 0; line < 40; ++line) {
    const auto pick = static_cast<std::size_t>(number * 7 + line * 3);
    text += fmt::format("The {} {} the {} {} of document {}.\n", kNouns[pick % 8],
                        kVerbs[pick / 8 % 8], kNouns[pick / 3 % 8], line, number);
  }
  return text;
}

}  // namespace

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path) {
  std::vector<nlohmann::json> objects;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

Workplace::Workplace() {
  std::filesystem::create_directory(*this / "texts");
  for (int number = 0; number < 20; ++number) {
    write_file(*this / fmt::format("texts/{}.txt", number), text_of_document(number));
  }
  write_file(*this / "config.yaml", kConfig);
  const Ended built =
      softmoe({"data", "build", "--from", "texts", "--to", "corpus", "--tokenizer", "bytes"});
  EXPECT_EQ(built.code, 0) << built.output;
}

Ended Workplace::softmoe(const Words& words) const {
  return run_program(alone(words));
}

Ended Workplace::on_ranks(int ranks, const Words& words) const {
  return run_program(by_mpirun(ranks, words));
}

Command Workplace::alone(const Words& words) const {
  return {.words = Words{SOFTMOE_PROGRAM} + words, .directory = folder_.path()};
}

Command Workplace::by_mpirun(int ranks, const Words& words) const {
  Words all;
  std::istringstream mpirun(SOFTMOE_MPIRUN);
  for (std::string word; mpirun >> word;) all.push_back(word);
  return {.words = all + Words{"-n", std::to_string(ranks), SOFTMOE_PROGRAM} + words,
          .directory = folder_.path()};
}

void Workplace::train(const std::string& run, const Words& overrides) const {
  const Ended trained =
      softmoe(Words{"train", "-c", "config.yaml", "run.folder=" + run} + overrides);
  ASSERT_EQ(trained.code, 0) << trained.output;
}

std::vector<double> Workplace::losses(const std::string& run) const {
  std::vector<double> losses;
  for (const auto& line : read_json_lines(*this / (run + "/metrics.jsonl"))) {
    losses.push_back(line.at("loss").get<double>());
  }
  return losses;
}

std::filesystem::path Workplace::shard(const std::string& part) const {
  std::filesystem::path found;
  for (const auto& entry : std::filesystem::directory_iterator(*this / "corpus")) {
    if (entry.path().filename().string().find(part) == std::string::npos) continue;
    EXPECT_TRUE(found.empty()) << found << " and " << entry.path();
    found = entry.path();
  }
  EXPECT_FALSE(found.empty()) << part;
  return found;
}

int count_errors(const Ended& ended) {
  int count = 0;
  std::istringstream lines(ended.output);
  for (std::string line; std::getline(lines, line);) count += line.starts_with("softmoe: ") ? 1 : 0;
  return count;
}

}  // namespace softmoe::test
