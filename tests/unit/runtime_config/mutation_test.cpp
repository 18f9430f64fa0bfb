// Random damage to a good document: whatever comes of it, it loads or it is refused in words.

#include <gmock/gmock.h>

#include <random>

#include "runtime/config/resolved_yaml.h"
#include "runtime/config/text.h"
#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

constexpr int kNumMutants = 20'000;

const std::string kGood = R"(# a run
num_steps: 1e3
model:
  num_experts: 64
  num_tokens: -2G
  mode: quota   # held exactly
  tied: true
  path: "a # b \x41"
  dense_layers: [0, 1_0]
  weights:
    - 0.5
    - 3e-4
  tags: [a, 'it''s', "10", {b: c}]
  router:
    temperature: .25
    cap: ~
auth_token: |
  block
  of lines
)";

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (int edits = 1 + below(6); edits > 0; --edits) edit(text);
    return text;
  }

 private:
  int below(std::size_t end) {
    return static_cast<int>(std::uniform_int_distribution<std::size_t>(0, end - 1)(random_));
  }

  // Pieces that mean something to YAML, and any byte.
  std::string piece() {
    static const std::vector<std::string> pieces = {
        ": ",     ":",     "- ",   "-",        "[",
        "]",      "{",     "}",    ",",        "\n",
        "\n  ",   "\t",    "\"",   "'",        "#",
        " #",     "&a ",   "*a",   "!x ",      "!!str ",
        "<<: *a", "---\n", "...",  "|\n",      ">-",
        "? ",     "%",     "@",    "\\",       "\\x",
        "\\u",    "\r",    "\r\n", "%TAG ! x", "null",
        "~",      "é",     "\0",   "1e",       "_",
        "\xFF",   "\xC2",  "\x04", "true",     "999999999999999999999"};
    if (below(4) == 0) return std::string(1, static_cast<char>(below(256)));
    return pieces[below(pieces.size())];
  }

  void edit(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = std::min<std::size_t>(below(12), text.size() - at);
    switch (below(5)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, piece());
        break;
      case 2:
        text.replace(at, length, piece());
        break;
      case 3:
        text.insert(below(text.size() + 1), text.substr(at, below(60)));
        break;
      default:
        text.resize(at);
    }
  }

  std::mt19937 random_;
};

TEST(Mutation, EndsInAConfigurationOrAConfigError) {
  int num_loaded = 0;
  int num_refused = 0;
  for (int seed = 0; seed < kNumMutants; ++seed) {
    const std::string mutant = Mutator(seed).mutate(kGood);
    try {
      const Loaded<SampleConfig> loaded = load_sample(mutant);
      ++num_loaded;

      EXPECT_NO_THROW((void)load_sample(resolved_yaml(loaded))) << mutant;
    } catch (const ConfigError& error) {
      ++num_refused;

      ASSERT_TRUE(std::string_view(error.what()).starts_with("train.yaml:")) << mutant;
      ASSERT_EQ(find_text_fault(error.what()), std::nullopt) << mutant;
    }
  }

  EXPECT_GT(num_loaded, kNumMutants / 100);
  EXPECT_GT(num_refused, kNumMutants / 2);
}

TEST(Mutation, OfOverridesEndsTheSameWay) {
  const std::vector<std::string> good = {"num_steps=12", "model.dense_layers=[1, 2]",
                                         "model.router.cap=null", "model.path=a b"};
  for (int seed = 0; seed < kNumMutants; ++seed) {
    const std::string mutant = Mutator(seed).mutate(good[seed % good.size()]);
    try {
      (void)load_sample("", {mutant});
    } catch (const ConfigError& error) {
      ASSERT_TRUE(std::string_view(error.what()).starts_with("command line: error: ")) << mutant;
    }
  }
}

}  // namespace
}  // namespace softmoe::config
